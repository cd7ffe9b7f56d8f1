/** What is known while a process is followed, what may happen, and what that leads to. */

import type { Limits } from "./limits.js";
import type { Process } from "./process.js";

export type Connection = "live" | "polling" | "reconnecting" | "done" | "error";
export type Phase = "stopped" | "running" | "paused" | "done" | "error";
export type Timer = "silence" | "reconnect" | "poll" | "probe" | "hide";

export interface State {
  readonly process: Process | null;
  readonly phase: Phase;
  readonly hidden: boolean;
  readonly stream: "closed" | "opening" | "live";
  /** The last stream ended as planned, and the next has not failed. */
  readonly renewing: boolean;
  readonly streamRun: number;
  readonly openedMs: number;
  readonly streamFailures: number;
  /** Polls take the stream's place. */
  readonly polling: boolean;
  readonly asking: boolean;
  readonly pollRun: number;
  readonly pollFailures: number;
  /** The wait the server has asked for after a stream. */
  readonly retryMs: number;
  /** What is wrong with the connection, and what the last command was refused for. */
  readonly trouble: Error | null;
  readonly refusal: Error | null;
}

export type Event =
  | { readonly kind: "started" | "stopped" | "hidden" | "visible" | "nudged" | "commanded" }
  | { readonly kind: "alive"; readonly run: number; readonly retryMs: number | null }
  | { readonly kind: "frame"; readonly run: number; readonly process: Process }
  | { readonly kind: "ended"; readonly run: number }
  | { readonly kind: "failed"; readonly run: number; readonly error: Error }
  | { readonly kind: "polled"; readonly run: number; readonly process: Process | null }
  | { readonly kind: "poll_failed"; readonly run: number; readonly error: Error }
  | { readonly kind: "told"; readonly process: Process }
  | { readonly kind: "refused"; readonly error: Error }
  | { readonly kind: "timer"; readonly timer: Timer };

export type Effect =
  | { readonly kind: "open"; readonly run: number; readonly after: number | null }
  | { readonly kind: "poll"; readonly run: number; readonly after: number | null }
  | { readonly kind: "close" | "drop_poll" }
  | { readonly kind: "set"; readonly timer: Timer; readonly ms: number }
  | { readonly kind: "clear"; readonly timer: Timer };

/** When the event happens, and a number in [0, 1) drawn for it. */
export interface At {
  readonly nowMs: number;
  readonly chance: number;
}

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export function begin(limits: Limits): State {
  return {
    process: null,
    phase: "stopped",
    hidden: false,
    stream: "closed",
    renewing: false,
    streamRun: 0,
    openedMs: 0,
    streamFailures: 0,
    polling: false,
    asking: false,
    pollRun: 0,
    pollFailures: 0,
    retryMs: limits.retryMs,
    trouble: null,
    refusal: null,
  };
}

export function connection(state: State): Connection {
  if (state.phase === "done" || state.phase === "error") return state.phase;
  if (state.phase !== "running") return "reconnecting";
  if (state.stream === "live" || state.renewing) return "live";
  return state.polling && state.pollFailures === 0 ? "polling" : "reconnecting";
}
