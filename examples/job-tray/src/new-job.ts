import type { NewProcess } from "@procession/monitor";

export type JobChoice = "csv_import" | "sleep" | "draft";

/** A request's body is limited to 256 KiB. */
const CSV_BYTES_MAX = 200_000;

/** The file is larger than a request may be. */
export class FileTooLarge extends Error {
  override readonly name = "FileTooLarge";
}

/** What to ask the server for. Raises FileTooLarge. */
export async function newJob(choice: JobChoice, file: unknown): Promise<NewProcess> {
  const request_id = crypto.randomUUID();
  if (choice === "sleep")
    return { type: "sleep", input: { seconds: 10, steps: 20 }, request_id };
  if (choice === "draft")
    return { type: "draft", input: { value: { title: "A draft", rows: 3 } }, request_id };
  if (!(file instanceof File)) throw new TypeError("Choose a file first.");
  if (file.size > CSV_BYTES_MAX)
    throw new FileTooLarge(`This page takes files up to ${CSV_BYTES_MAX / 1_000} kB.`);
  return { type: "csv_import", input: { name: file.name, csv: await file.text() }, request_id };
}
