import { ProcessClient, Workspace } from "@procession/monitor";
import { JobTray } from "@procession/monitor/job-tray";
import { useEffect, useMemo, useState } from "react";
import { ReviewForm } from "./review-form";
import { SignIn } from "./sign-in";
import { StartForm } from "./start-form";

const WORKSPACE_ID = 1;
const SHOWN_MAX = 20;

/** Signs in, starts jobs, and shows them. The token stays in the page's memory. */
export function Page() {
  const [token, setToken] = useState<string | null>(import.meta.env.VITE_TOKEN ?? null);
  const workspace = useMemo(() => {
    const forget = (refused?: string) => {
      if (refused !== undefined) setToken(null);
      return refused === undefined ? token : null;
    };
    return new Workspace(new ProcessClient({ baseUrl: "/api", token: forget }), WORKSPACE_ID);
  }, [token]);
  return token === null ? <SignIn onToken={setToken} /> : <Jobs workspace={workspace} />;
}

function Jobs({ workspace }: { workspace: Workspace }) {
  const [ids, setIds] = useState<readonly number[]>([]);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    const abort = new AbortController();
    workspace.list({ limit: SHOWN_MAX }, abort.signal).then(
      (jobs) => setIds(jobs.map(({ id }) => id)),
      (thrown: Error) => abort.signal.aborted || setError(thrown.message),
    );
    return () => abort.abort();
  }, [workspace]);
  const add = (id: number) => setIds((shown) => [id, ...shown.filter((other) => other !== id)]);
  const dismiss = (id: number) => setIds((shown) => shown.filter((other) => other !== id));
  return (
    <>
      <StartForm workspace={workspace} onStarted={add} />
      {error && <p role="alert">{error}</p>}
      <JobTray
        ids={ids}
        workspace={workspace}
        onDismiss={dismiss}
        renderReview={(process) => (
          <ReviewForm key={process.version} process={process} client={workspace.client} />
        )}
      />
    </>
  );
}
