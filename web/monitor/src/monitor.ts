/** Follows one process: runs the machine's effects with real timers, streams and requests. */

import type { ProcessClient } from "./client.js";
import { asError } from "./errors.js";
import { step } from "./machine.js";
import type { Process, Status } from "./process.js";
import {
  begin,
  type Connection,
  connection,
  type Effect,
  type Event,
  type State,
  type Timer,
} from "./state.js";
import type { Close, Source } from "./stream.js";

/** What is known of a process, and how. It stays the same object until something changes. */
export interface Snapshot {
  readonly process: Process | null;
  readonly status: Status | null;
  readonly progress: number | null;
  readonly connection: Connection;
  /** What is wrong: with the connection, or why the last command was refused. */
  readonly error: Error | null;
}

/** Before anything is known. */
export const NOTHING_YET: Snapshot = {
  process: null,
  status: null,
  progress: null,
  connection: "reconnecting",
  error: null,
};

export class ProcessMonitor {
  readonly id: number;
  readonly source: Source;
  readonly #client: ProcessClient;
  readonly #used: (isFollowed: boolean) => void;
  readonly #listeners = new Set<() => void>();
  readonly #timers = new Map<Timer, () => void>();
  readonly #queue: Event[] = [];
  #state: State;
  #snapshot = NOTHING_YET;
  #close: Close | null = null;
  #poll: AbortController | null = null;
  #unwatch: (() => void) | null = null;
  #isRunning = false;

  /** `used` hears when the first listener has come, and when the last has gone. */
  constructor(
    id: number,
    client: ProcessClient,
    source: Source = client,
    used: (isFollowed: boolean) => void = () => {},
  ) {
    this.id = id;
    this.#client = client;
    this.source = source;
    this.#used = used;
    this.#state = begin(client.limits);
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /**
   * Calls back after each change of the snapshot. The first listener starts the monitor; a moment
   * after the last has gone it stops, so that one who leaves and comes back costs nothing.
   */
  subscribe(listener: () => void): () => void {
    const entry = () => listener();
    this.#listeners.add(entry);
    if (this.#unwatch === null) this.#start();
    return () => {
      if (this.#listeners.delete(entry)) queueMicrotask(() => this.#stopIfLeft());
    };
  }

  /** Cancels the process. Raises RequestRefused, also told in the snapshot, and ServerUnreachable. */
  cancel(): Promise<Process> {
    return this.#command(() => this.#client.cancel(this.id));
  }

  /** Starts a failed process again. Raises as `cancel` does. */
  retry(): Promise<Process> {
    return this.#command(() => this.#client.retry(this.id));
  }

  /** Try again now, for example after the user has signed in again. */
  reconnect(): void {
    this.#take({ kind: "nudged" });
  }

  /** A state that came another way, such as a command's answer. An older one changes nothing. */
  told(process: Process): void {
    this.#take({ kind: "told", process });
  }

  #start(): void {
    const { page } = this.#client;
    this.#used(true);
    this.#unwatch = page.watch((change) =>
      this.#take({ kind: change === "online" ? "nudged" : change }),
    );
    this.#take({ kind: page.isHidden() ? "hidden" : "visible" });
    this.#take({ kind: "started" });
  }

  #stopIfLeft(): void {
    if (this.#listeners.size > 0 || this.#unwatch === null) return;
    this.#unwatch();
    this.#unwatch = null;
    this.#take({ kind: "stopped" });
    this.#used(false);
  }

  async #command(send: () => Promise<Process>): Promise<Process> {
    this.#take({ kind: "commanded" });
    try {
      const process = await send();
      this.told(process);
      return process;
    } catch (thrown) {
      this.#take({ kind: "refused", error: asError(thrown) });
      throw thrown;
    }
  }

  /** Events that effects or listeners cause wait their turn. */
  #take(event: Event): void {
    this.#queue.push(event);
    if (this.#isRunning) return;
    this.#isRunning = true;
    try {
      for (let next = this.#queue.shift(); next; next = this.#queue.shift()) this.#turn(next);
    } finally {
      this.#isRunning = false;
    }
  }

  #turn(event: Event): void {
    const { clock, limits } = this.#client;
    const at = { nowMs: clock.nowMs(), chance: clock.chance() };
    const { state, effects } = step(this.#state, event, at, limits);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
    this.#show();
  }

  #show(): void {
    const { process, refusal, trouble } = this.#state;
    const next: Snapshot = {
      process,
      status: process?.status ?? null,
      progress: process?.progress ?? null,
      connection: connection(this.#state),
      error: refusal ?? trouble,
    };
    const last = this.#snapshot;
    if (
      next.process === last.process &&
      next.connection === last.connection &&
      next.error === last.error
    )
      return;
    this.#snapshot = next;
    for (const listener of [...this.#listeners]) if (this.#listeners.has(listener)) listener();
  }

  #run(effect: Effect): void {
    if (effect.kind === "set") this.#set(effect.timer, effect.ms);
    else if (effect.kind === "clear") this.#clear(effect.timer);
    else if (effect.kind === "open") this.#open(effect.run, effect.after);
    else if (effect.kind === "poll") void this.#ask(effect.run, effect.after);
    else if (effect.kind === "close") this.#drop();
    else this.#poll?.abort();
  }

  #set(timer: Timer, ms: number): void {
    this.#clear(timer);
    const ring = () => {
      this.#timers.delete(timer);
      this.#take({ kind: "timer", timer });
    };
    this.#timers.set(timer, this.#client.clock.later(ms, ring));
  }

  #clear(timer: Timer): void {
    this.#timers.get(timer)?.();
    this.#timers.delete(timer);
  }

  #open(run: number, after: number | null): void {
    this.#close = this.source.follow(this.id, after, {
      alive: (retryMs) => this.#take({ kind: "alive", run, retryMs }),
      frame: (process) => {
        if (process.id === this.id) this.#take({ kind: "frame", run, process });
      },
      ended: () => this.#take({ kind: "ended", run }),
      failed: (error) => this.#take({ kind: "failed", run, error }),
    });
  }

  #drop(): void {
    this.#close?.();
    this.#close = null;
  }

  async #ask(run: number, after: number | null): Promise<void> {
    const abort = new AbortController();
    this.#poll = abort;
    try {
      const process = await this.#client.get(this.id, after, abort.signal);
      if (!abort.signal.aborted) this.#take({ kind: "polled", run, process });
    } catch (thrown) {
      const error = asError(thrown);
      if (!abort.signal.aborted) this.#take({ kind: "poll_failed", run, error });
    }
  }
}
