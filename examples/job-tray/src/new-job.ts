import type { NewProcess, Workspace } from "@procession/monitor";

export type JobChoice = "csv_import" | "sleep" | "draft";

/** Which column of `places.csv` goes to which field of the worker's target, as what. */
const COLUMNS = [
  { column: "Name", field: "name", required: true, max_chars: 40 },
  { column: "Code", field: "code", required: true },
  { column: "Seats", field: "seats", type: "int", default: 4 },
  { column: "Opened", field: "opened", type: "date" },
];

/** What to ask the server for; a file is uploaded first. Raises as the workspace's calls do. */
export async function newJob(
  choice: JobChoice,
  file: unknown,
  workspace: Workspace,
): Promise<NewProcess> {
  const request_id = crypto.randomUUID();
  if (choice === "sleep") return { type: "sleep", input: { seconds: 10, steps: 20 }, request_id };
  if (choice === "draft")
    return { type: "draft", input: { value: { title: "A draft", rows: 3 } }, request_id };
  if (!(file instanceof File)) throw new TypeError("Choose a file first.");
  const { id } = await workspace.upload(file, file.name);
  const input = { upload: id, target: "places", columns: COLUMNS, unique: ["code"] };
  return { type: "csv_import", input, request_id };
}
