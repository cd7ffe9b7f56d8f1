import { useState } from "react";
import type { DraftProps } from "./review-form";

interface Fault {
  readonly line: number;
  readonly message: string;
  readonly field?: string;
  readonly value?: string;
}

interface Found {
  readonly rows: number;
  readonly valid: number;
  readonly invalid: number;
  readonly errors: readonly Fault[];
  readonly errors_total: number;
  readonly mapping_errors: Readonly<Record<string, string>>;
  readonly columns: readonly { readonly field: string }[];
  readonly edits_refused?: string;
}

type Cells = { readonly [line: string]: { readonly [field: string]: string } };

/** What the check of a CSV file has found; the cells that are wrong can be corrected. */
export function ImportDraft({ draft, onEdits }: DraftProps) {
  const [cells, setCells] = useState<Cells>({});
  if (draft === null) return null;
  const found = draft as unknown as Found;
  const correct = (line: number, field: string, text: string) => {
    const changed = { ...cells, [line]: { ...cells[line], [field]: text } };
    setCells(changed);
    onEdits(() => ({ cells: changed }));
  };
  const wrong = [found.edits_refused, ...Object.values(found.mapping_errors)];
  return (
    <>
      <p>
        {found.valid} of {found.rows} rows can be imported, {found.invalid} have errors.
      </p>
      {wrong.map(
        (message) =>
          message && (
            <p key={message} role="alert">
              {message}
            </p>
          ),
      )}
      {found.errors.length > 0 && <Faults found={found} cells={cells} onCorrect={correct} />}
      {found.errors_total > found.errors.length && (
        <p>
          These are the first {found.errors.length} of {found.errors_total} errors.
        </p>
      )}
    </>
  );
}

interface FaultsProps {
  readonly found: Found;
  readonly cells: Cells;
  readonly onCorrect: (line: number, field: string, text: string) => void;
}

function Faults({ found, cells, onCorrect }: FaultsProps) {
  const fields = new Set(found.columns.map(({ field }) => field));
  const input = ({ line, field = "", value = "" }: Fault) => (
    <input
      aria-label={`Line ${line}, ${field}`}
      value={cells[line]?.[field] ?? value}
      onChange={(event) => onCorrect(line, field, event.target.value)}
    />
  );
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Line</th>
          <th scope="col">Field</th>
          <th scope="col">Value</th>
          <th scope="col">What is wrong</th>
        </tr>
      </thead>
      <tbody>
        {found.errors.map((fault) => (
          <tr key={`${fault.line} ${fault.field} ${fault.message}`}>
            <td>{fault.line}</td>
            <td>{fault.field}</td>
            <td>{fault.field && fields.has(fault.field) && input(fault)}</td>
            <td>{fault.message}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
