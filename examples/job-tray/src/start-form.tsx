import type { Workspace } from "@procession/monitor";
import { type FormEvent, useId, useState } from "react";
import { type JobChoice, newJob } from "./new-job";

interface StartFormProps {
  readonly workspace: Workspace;
  readonly onStarted: (id: number) => void;
}

/** Starts an import of a CSV file, or one of the jobs for trying. */
export function StartForm({ workspace, onStarted }: StartFormProps) {
  const [choice, setChoice] = useState<JobChoice>("csv_import");
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const fieldId = useId();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    setBusy(true);
    setError(null);
    try {
      onStarted((await workspace.start(await newJob(choice, form.get("file"), workspace))).id);
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown.message : String(thrown));
    }
    setBusy(false);
  };
  return (
    <form onSubmit={submit}>
      <label htmlFor={`${fieldId}type`}>Job</label>
      <select
        id={`${fieldId}type`}
        value={choice}
        onChange={(event) => setChoice(event.target.value as JobChoice)}
      >
        <option value="csv_import">Import a CSV file</option>
        <option value="sleep">Sleep for ten seconds</option>
        <option value="draft">Draft to review</option>
      </select>
      {choice === "csv_import" && (
        <>
          <label htmlFor={`${fieldId}file`}>CSV file</label>
          <input id={`${fieldId}file`} name="file" type="file" accept=".csv,text/csv" required />
        </>
      )}
      <button type="submit" disabled={isBusy}>
        {isBusy && choice === "csv_import" ? "Uploading" : "Start"}
      </button>
      {error && <p role="alert">{error}</p>}
    </form>
  );
}
