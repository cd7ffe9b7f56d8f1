/** What the workspace API says of a process, and how it is read from the wire. */

import { ServerUnreachable } from "./errors.js";

export type Status =
  | "pending"
  | "running"
  | "waiting_review"
  | "completed"
  | "failed"
  | "cancelled";

export const STATUSES: readonly Status[] = [
  "pending",
  "running",
  "waiting_review",
  "completed",
  "failed",
  "cancelled",
];

/** A value as JSON carries it. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** A process as lists carry it. Times are ISO 8601 in UTC; `progress` is in percent. */
export interface ProcessSummary {
  readonly id: number;
  readonly type: string;
  readonly status: Status;
  readonly progress: number | null;
  readonly created_at: string;
  readonly updated_at: string;
}

/** A process as streams and single reads carry it. A newer state has a greater `version`. */
export interface Process extends ProcessSummary {
  readonly metadata: { readonly [key: string]: Json } | null;
  readonly result_summary: Json;
  readonly workspace_id: number;
  readonly user_id: number | null;
  readonly current_step: string | null;
  readonly error_message: string | null;
  readonly attempts: number;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  readonly process_id: string;
  readonly version: number;
}

/** One line of a process's log. */
export interface ProcessEvent {
  readonly id: number;
  readonly status: Status;
  readonly message: string | null;
  readonly created_at: string;
}

/** Whether nothing will happen any more, unless someone retries. */
export function isTerminal(status: Status): boolean {
  return status === "completed" || status === "failed" || status === "cancelled";
}

export function canCancel(status: Status): boolean {
  return !isTerminal(status);
}

export function canRetry(status: Status): boolean {
  return status === "failed";
}

/** The newer of two states; the one already known where they are equally new. */
export function newer(known: Process | null, incoming: Process): Process {
  return known !== null && incoming.version <= known.version ? known : incoming;
}

/** The value, if it is a process: what the monitor relies on is checked. Raises ServerUnreachable. */
export function asProcess(value: unknown): Process {
  const { id, version, status } = (value ?? {}) as Process;
  if (Number.isSafeInteger(id) && Number.isSafeInteger(version) && STATUSES.includes(status))
    return value as Process;
  throw new ServerUnreachable("What came is not a process.");
}

/** The value, if it is a list. Raises ServerUnreachable. */
export function asList<Item>(value: unknown): readonly Item[] {
  if (Array.isArray(value)) return value;
  throw new ServerUnreachable("What came is not a list.");
}
