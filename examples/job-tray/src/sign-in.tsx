import { type FormEvent, useId } from "react";

/** Asks for an API token with the scopes jobs:read and jobs:write. */
export function SignIn({ onToken }: { onToken: (token: string) => void }) {
  const fieldId = useId();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onToken(String(new FormData(event.currentTarget).get("token")));
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor={fieldId}>API token</label>
      <input id={fieldId} name="token" type="password" autoComplete="off" required />
      <button type="submit">Sign in</button>
    </form>
  );
}
