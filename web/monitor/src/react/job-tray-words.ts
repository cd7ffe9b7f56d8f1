import type { Process, Status } from "../process.js";
import type { Connection } from "../state.js";

/** Every word the tray shows or says; give others to translate it. */
export interface JobTrayWords {
  readonly title: string;
  /** Beside the title: how many jobs are not over, of how many. */
  readonly count: (open: number, all: number) => string;
  readonly name: (process: Process) => string;
  readonly loading: string;
  readonly statuses: Readonly<Record<Status, string>>;
  /** Said once by screen readers when a job's status changes. */
  readonly announce: (name: string, status: string) => string;
  /** Shown while the connection is other than live; empty for nothing. */
  readonly connections: Readonly<Record<Connection, string>>;
  readonly cancel: string;
  readonly retry: string;
  readonly dismiss: string;
  /** A button's name for those who do not see beside which job it stands. */
  readonly action: (verb: string, name: string) => string;
}

export const WORDS: JobTrayWords = {
  title: "Jobs",
  count: (open, all) => (open > 0 ? `${open} of ${all} under way` : `${all} done`),
  name: (process) => `${process.type.replaceAll("_", " ")} ${process.id}`,
  loading: "Loading",
  statuses: {
    pending: "Waiting to start",
    running: "Running",
    waiting_review: "Needs your review",
    completed: "Completed",
    failed: "Failed",
    cancelled: "Cancelled",
  },
  announce: (name, status) => `${name}: ${status}`,
  connections: {
    live: "",
    polling: "",
    reconnecting: "Reconnecting",
    done: "",
    error: "No longer updated",
  },
  cancel: "Cancel",
  retry: "Try again",
  dismiss: "Dismiss",
  action: (verb, name) => `${verb}: ${name}`,
};

/** The classes of the tray's parts; `job-tray.css` styles the default ones. */
export interface JobTrayClasses {
  readonly tray: string;
  readonly toggle: string;
  readonly count: string;
  readonly list: string;
  readonly job: string;
  readonly name: string;
  readonly status: string;
  readonly progress: string;
  readonly note: string;
  readonly error: string;
  readonly actions: string;
  readonly button: string;
  readonly review: string;
}

export const CLASSES: JobTrayClasses = {
  tray: "job-tray",
  toggle: "job-tray-toggle",
  count: "job-tray-count",
  list: "job-tray-list",
  job: "job-tray-job",
  name: "job-tray-name",
  status: "job-tray-status",
  progress: "job-tray-progress",
  note: "job-tray-note",
  error: "job-tray-error",
  actions: "job-tray-actions",
  button: "job-tray-button",
  review: "job-tray-review",
};
