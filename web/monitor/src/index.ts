export { type ClientOptions, ProcessClient, type Review } from "./client.js";
export { CLOCK, type Clock, PAGE, type Page } from "./clock.js";
export { RequestRefused, ServerUnreachable, StreamUnavailable } from "./errors.js";
export type { Access, TokenSource } from "./http.js";
export { LIMITS, type Limits } from "./limits.js";
export { ProcessMonitor, type Snapshot } from "./monitor.js";
export {
  canCancel,
  canRetry,
  isTerminal,
  type Json,
  type Process,
  type ProcessEvent,
  type ProcessSummary,
  STATUSES,
  type Status,
} from "./process.js";
export type { Connection } from "./state.js";
export type { Source, StreamSink } from "./stream.js";
export { type ListQuery, type NewProcess, type Upload, Workspace } from "./workspace.js";
