import type { Json, Process, ProcessClient, Review } from "@procession/monitor";
import { useId, useRef, useState } from "react";
import { ImportDraft } from "./import-draft";

interface ReviewFormProps {
  readonly process: Process;
  readonly client: ProcessClient;
}

/** Shows the draft of a job, to be corrected, approved or rejected. */
export function ReviewForm({ process, client }: ReviewFormProps) {
  const edits = useRef<Edits | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const decide = async (decision: Review["decision"]) => {
    setError(null);
    setBusy(true);
    try {
      const corrected = edits.current === null ? {} : { edits: edits.current() };
      await client.review(process.id, { decision, ...corrected });
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown.message : String(thrown));
    }
    setBusy(false);
  };
  const button = (decision: Review["decision"], word: string) => (
    <button
      type="button"
      className="job-tray-button"
      disabled={isBusy}
      onClick={() => void decide(decision)}
    >
      {word}
    </button>
  );
  const draft = process.metadata?.draft ?? null;
  const Draft = process.type === "csv_import" ? ImportDraft : JsonDraft;
  return (
    <>
      <Draft draft={draft} onEdits={(corrected) => (edits.current = corrected)} />
      {button("approve", "Approve")} {button("reject", "Reject")}
      {error && <p role="alert">{error}</p>}
    </>
  );
}

/** Gives what a person has corrected so far. Raises an error that says why it cannot be sent. */
export type Edits = () => Json;

export interface DraftProps {
  readonly draft: Json;
  /** Called at each correction. */
  readonly onEdits: (edits: Edits) => void;
}

/** A draft of any job, as text. */
function JsonDraft({ draft, onEdits }: DraftProps) {
  const [text, setText] = useState(() => JSON.stringify(draft, null, 2));
  const fieldId = useId();
  const change = (changed: string) => {
    setText(changed);
    onEdits(() => JSON.parse(changed) as Json);
  };
  return (
    <>
      <label htmlFor={fieldId}>Draft</label>
      <textarea
        id={fieldId}
        rows={6}
        spellCheck={false}
        value={text}
        onChange={(event) => change(event.target.value)}
      />
    </>
  );
}
