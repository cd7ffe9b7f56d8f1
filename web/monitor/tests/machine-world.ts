import { expect } from "vitest";
import { LIMITS } from "../src/limits.js";
import { step } from "../src/machine.js";
import type { Process } from "../src/process.js";
import { begin, connection, type Event, type State, type Timer } from "../src/state.js";
import { aProcess } from "./a-process.js";

/** What the effects of a machine lead to: timers, at most one stream and one poll. */
export class World {
  state: State = begin(LIMITS);
  readonly timers = new Map<Timer, number>();
  stream: number | null = null;
  poll: number | null = null;
  polls = 0;
  /** The version the last stream was opened after. */
  lastOpened: number | null = null;
  #nowMs = 0;
  #chance = 0;

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  take(event: Event): void {
    this.#chance = (this.#chance + 0.37) % 1;
    const { state, effects } = step(
      this.state,
      event,
      { nowMs: this.#nowMs, chance: this.#chance },
      LIMITS,
    );
    this.state = state;
    for (const effect of effects) {
      if (effect.kind === "set") {
        expect(effect.ms).toBeGreaterThanOrEqual(0);
        this.timers.set(effect.timer, effect.ms);
      } else if (effect.kind === "clear") this.timers.delete(effect.timer);
      else if (effect.kind === "close") this.stream = null;
      else if (effect.kind === "drop_poll") this.poll = null;
      else if (effect.kind === "open") {
        expect(this.stream).toBe(null);
        this.stream = effect.run;
        this.lastOpened = effect.after;
      } else if (effect.kind === "poll") {
        expect(this.poll).toBe(null);
        this.poll = effect.run;
        this.polls += 1;
      }
    }
    if (!this.state.asking) this.poll = null;
  }

  /** The event with its run counted back from the newest; a timer rings only if it is set. */
  takeNumbered(event: Event): void {
    if (event.kind === "timer") {
      if (this.timers.delete(event.timer)) this.take(event);
    } else if (event.kind === "polled" || event.kind === "poll_failed")
      this.take({ ...event, run: this.state.pollRun - event.run });
    else if ("run" in event) this.take({ ...event, run: this.state.streamRun - event.run });
    else this.take(event);
  }

  ring(timer: Timer): void {
    expect(this.timers.delete(timer)).toBe(true);
    this.take({ kind: "timer", timer });
  }

  live(process: Partial<Process>): this {
    this.take({ kind: "started" });
    this.streamSays("alive");
    this.frame(process);
    return this;
  }

  streamSays(kind: "alive" | "ended"): void {
    const run = this.state.streamRun;
    this.take(kind === "alive" ? { kind, run, retryMs: null } : { kind, run });
  }

  frame(process: Partial<Process>): void {
    this.take({ kind: "frame", run: this.state.streamRun, process: aProcess(process) });
  }

  fail(error: Error): void {
    this.take({ kind: "failed", run: this.state.streamRun, error });
  }

  answer(process: Process | null): void {
    this.take({ kind: "polled", run: this.state.pollRun, process });
  }

  pollFails(error: Error): void {
    this.take({ kind: "poll_failed", run: this.state.pollRun, error });
  }

  shown(): [string, string | null] {
    return [connection(this.state), this.state.process?.status ?? null];
  }

  expectNothingLeft(): void {
    expect([...this.timers.keys()]).toEqual([]);
    expect(this.stream).toBe(null);
    expect(this.poll).toBe(null);
  }

  /** A stream is watched by a timer, a request ends by itself, and no timer is left over. */
  expectLeadsOn(): void {
    const { stream, polling, hidden, asking } = this.state;
    const has = (timer: Timer) => this.timers.has(timer);
    const silence = { closed: undefined, opening: LIMITS.firstByteMs, live: LIMITS.silenceMs };
    expect(this.timers.get("silence")).toBe(silence[stream]);
    expect(this.stream !== null).toBe(stream !== "closed");
    expect(this.poll !== null).toBe(asking);
    expect(has("probe")).toBe(polling && stream === "closed");
    expect(has("reconnect")).toBe(!polling && stream === "closed");
    expect(has("poll")).toBe(polling && !asking);
    expect(has("hide")).toBe(hidden);
  }
}
