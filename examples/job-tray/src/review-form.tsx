import type { Json, Process, ProcessClient, Review } from "@procession/monitor";
import { useId, useState } from "react";

interface ReviewFormProps {
  readonly process: Process;
  readonly client: ProcessClient;
}

/** Shows the draft as JSON, to be corrected, approved or rejected. */
export function ReviewForm({ process, client }: ReviewFormProps) {
  const draft = JSON.stringify(process.metadata?.["draft"] ?? null, null, 2);
  const [text, setText] = useState(draft);
  const [error, setError] = useState<string | null>(null);
  const fieldId = useId();
  const decide = async (decision: Review["decision"]) => {
    setError(null);
    try {
      const edits = text === draft ? {} : { edits: JSON.parse(text) as Json };
      await client.review(process.id, { decision, ...edits });
    } catch (thrown) {
      setError(thrown instanceof Error ? thrown.message : String(thrown));
    }
  };
  return (
    <>
      <label htmlFor={fieldId}>Draft</label>
      <textarea
        id={fieldId}
        rows={6}
        spellCheck={false}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="button" className="job-tray-button" onClick={() => void decide("approve")}>
        Approve
      </button>
      <button type="button" className="job-tray-button" onClick={() => void decide("reject")}>
        Reject
      </button>
      {error && <p role="alert">{error}</p>}
    </>
  );
}
