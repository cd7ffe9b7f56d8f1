/**
 * How one process is followed, as a pure function: `step(state, event) -> state, effects`.
 *
 * The stream is tried first. When it cannot be had, polls take its place and it is tried again now
 * and then. Streams and polls are numbered: what a former one still says is ignored. Whatever comes
 * in by whatever way, only a newer version replaces the state that is known.
 */

import { isFinal, RequestRefused, ServerUnreachable, StreamUnavailable } from "./errors.js";
import type { Limits } from "./limits.js";
import { isTerminal, newer, type Process } from "./process.js";
import type { At, Effect, Event, Phase, State, Step, Timer } from "./state.js";

export function step(state: State, event: Event, at: At, limits: Limits): Step {
  const turn = new Turn(state, at, limits);
  turn.take(event);
  return { state: turn.state, effects: turn.effects };
}

type Draft = { -readonly [Key in keyof State]: State[Key] };

/** One step being made; it lives only inside `step`. */
class Turn {
  readonly state: Draft;
  readonly effects: Effect[] = [];
  readonly #at: At;
  readonly #limits: Limits;

  constructor(state: State, at: At, limits: Limits) {
    this.state = { ...state };
    this.#at = at;
    this.#limits = limits;
  }

  take(event: Event): void {
    const { state } = this;
    switch (event.kind) {
      case "alive":
      case "frame":
      case "ended":
      case "failed":
        if (event.run === state.streamRun && state.stream !== "closed") this.#streamSays(event);
        break;
      case "polled":
      case "poll_failed":
        if (event.run === state.pollRun && state.asking) this.#pollSays(event);
        break;
      case "timer":
        this.#rings(event.timer);
        break;
      case "told":
        state.refusal = null;
        this.#merge(event.process);
        break;
      case "refused":
      case "commanded":
        state.refusal = event.kind === "refused" ? event.error : null;
        break;
      case "started":
        this.#start();
        break;
      case "stopped":
        this.#rest("stopped");
        break;
      case "hidden":
        this.#hide();
        break;
      case "visible":
        this.#show();
        break;
      case "nudged":
        this.#nudge();
    }
  }

  #streamSays(event: Extract<Event, { kind: "alive" | "frame" | "ended" | "failed" }>): void {
    if (event.kind === "failed") this.#streamFailed(event.error);
    else if (event.kind === "ended") this.#streamEnded();
    else {
      if (event.kind === "alive" && event.retryMs !== null)
        this.state.retryMs = Math.min(event.retryMs, this.#limits.retryMsMax);
      this.#streamWorks();
      if (event.kind === "frame") this.#merge(event.process);
    }
  }

  #pollSays(event: Extract<Event, { kind: "polled" | "poll_failed" }>): void {
    this.state.asking = false;
    if (event.kind === "poll_failed") this.#pollFailed(event.error);
    else this.#pollWorked(event.process);
  }

  /** A timer that was cleared does not ring, so there is a reason whenever one does. */
  #rings(timer: Timer): void {
    if (timer === "hide") this.#rest("paused");
    else if (timer === "poll") this.#poll();
    else if (timer === "silence") this.#silent();
    else this.#open();
  }

  #start(): void {
    if (this.state.phase === "stopped") this.#run();
  }

  #hide(): void {
    this.state.hidden = true;
    if (this.state.phase === "running") this.#set("hide", this.#limits.hideMs);
  }

  #show(): void {
    const { state } = this;
    state.hidden = false;
    this.#clear("hide");
    if (state.phase === "paused") this.#run();
    else this.#nudge();
  }

  /** There is reason to believe that it works now: the network is back, a stream is free. */
  #nudge(): void {
    const { state } = this;
    if (state.phase === "error") this.#run();
    else if (state.phase === "running") {
      if (state.stream === "closed") this.#open();
      if (state.polling) this.#poll();
    }
  }

  /** From rest; a hidden tab rests on until it is shown. */
  #run(): void {
    const { state } = this;
    state.phase = state.hidden ? "paused" : "running";
    state.trouble = null;
    state.streamFailures = 0;
    state.pollFailures = 0;
    if (!state.hidden) this.#open();
  }

  #rest(phase: Exclude<Phase, "running">): void {
    const { state } = this;
    state.phase = phase;
    state.renewing = false;
    state.polling = false;
    this.#close();
    this.#dropPoll();
    for (const timer of ["reconnect", "poll", "probe", "hide"] as const) this.#clear(timer);
  }

  #merge(incoming: Process): void {
    const { state } = this;
    state.process = newer(state.process, incoming);
    const over = isTerminal(state.process.status);
    if (over && (state.phase === "running" || state.phase === "paused")) {
      state.trouble = null;
      this.#rest("done");
    } else if (!over && state.phase === "done") this.#run();
  }

  #open(): void {
    const { state } = this;
    state.stream = "opening";
    state.streamRun += 1;
    state.openedMs = this.#at.nowMs;
    this.#clear("reconnect");
    this.#clear("probe");
    this.#set("silence", this.#limits.firstByteMs);
    this.effects.push({ kind: "open", run: state.streamRun, after: this.#known() });
  }

  #close(): void {
    if (this.state.stream === "closed") return;
    this.state.stream = "closed";
    this.#clear("silence");
    this.effects.push({ kind: "close" });
  }

  #streamWorks(): void {
    const { state } = this;
    state.stream = "live";
    state.renewing = false;
    state.trouble = null;
    state.polling = false;
    state.pollFailures = 0;
    if (this.#lasted()) state.streamFailures = 0;
    this.#set("silence", this.#limits.silenceMs);
    this.#clear("poll");
    this.#dropPoll();
  }

  #lasted(): boolean {
    return this.#at.nowMs - this.state.openedMs >= this.#limits.stableMs;
  }

  #streamEnded(): void {
    const { state } = this;
    if (state.process !== null && isTerminal(state.process.status)) {
      this.#rest("done");
      return;
    }
    if (state.stream !== "live" || !this.#lasted()) {
      this.#streamFailed(new ServerUnreachable("The stream ended early."));
      return;
    }
    this.#close();
    state.streamFailures = 0;
    state.renewing = true;
    this.#set("reconnect", (state.retryMs / 4) * this.#at.chance);
  }

  #silent(): void {
    const error =
      this.state.stream === "opening"
        ? new StreamUnavailable("The stream is held back on its way.")
        : new ServerUnreachable("The stream went silent.");
    this.#streamFailed(error);
  }

  #streamFailed(error: Error): void {
    const { state } = this;
    this.#close();
    state.renewing = false;
    state.trouble = error;
    state.streamFailures += 1;
    if (state.polling) this.#set("probe", this.#spread(this.#limits.probeMs));
    else if (unavailable(error) || state.streamFailures >= this.#limits.streamFailuresMax)
      this.#startPolling(error);
    else this.#set("reconnect", this.#pause(state.retryMs, state.streamFailures, error));
  }

  #startPolling(error: Error): void {
    this.state.polling = true;
    this.#set("probe", this.#spread(this.#limits.probeMs));
    if (asked(error) > 0) this.#set("poll", this.#pause(this.#limits.pollMs, 1, error));
    else this.#poll();
  }

  #poll(): void {
    const { state } = this;
    this.#clear("poll");
    if (state.asking) return;
    state.asking = true;
    state.pollRun += 1;
    this.effects.push({ kind: "poll", run: state.pollRun, after: this.#known() });
  }

  #dropPoll(): void {
    if (!this.state.asking) return;
    this.state.asking = false;
    this.effects.push({ kind: "drop_poll" });
  }

  #pollWorked(process: Process | null): void {
    const { state } = this;
    const isBack = state.pollFailures > 0;
    state.pollFailures = 0;
    state.trouble = null;
    this.#set("poll", this.#limits.pollMs);
    if (process !== null) this.#merge(process);
    if (isBack && state.phase === "running" && state.stream === "closed") this.#open();
  }

  #pollFailed(error: Error): void {
    const { state } = this;
    state.trouble = error;
    if (isFinal(error)) {
      this.#rest("error");
      return;
    }
    state.pollFailures += 1;
    const ms = this.#pause(this.#limits.pollMs, state.pollFailures, error);
    this.#set("poll", Math.min(ms, Math.max(this.#limits.pollMsMax, asked(error))));
  }

  /** The wait after so many failures: doubled each time, half of it by chance, never too soon. */
  #pause(ms: number, failures: number, error: Error): number {
    const full = Math.min(ms * 2 ** (failures - 1), this.#limits.retryMsMax);
    return Math.max(this.#spread(full), asked(error) * (1 + this.#at.chance / 4));
  }

  #spread(ms: number): number {
    return ms / 2 + (ms / 2) * this.#at.chance;
  }

  #known(): number | null {
    return this.state.process?.version ?? null;
  }

  #set(timer: Timer, ms: number): void {
    this.effects.push({ kind: "set", timer, ms });
  }

  #clear(timer: Timer): void {
    this.effects.push({ kind: "clear", timer });
  }
}

/** The server, or something on the way, gives no streams: no use in trying again soon. */
function unavailable(error: Error): boolean {
  if (error instanceof StreamUnavailable) return true;
  if (!(error instanceof RequestRefused)) return false;
  return error.status < 500 && error.status !== 408 && error.status !== 429;
}

function asked(error: Error): number {
  return (error instanceof RequestRefused && error.retryAfterMs) || 0;
}
