import { type ClientOptions, ProcessClient } from "../src/client.js";
import { CLOCK, type Clock, type Page } from "../src/clock.js";
import type { Limits } from "../src/limits.js";
import type { ProcessMonitor, Snapshot } from "../src/monitor.js";
import type { Connection } from "../src/state.js";

/** The waits of the tests: long enough for a busy machine, short enough to be waited for. */
export const BRIEF: Partial<Limits> = {
  firstByteMs: 500,
  silenceMs: 2_000,
  stableMs: 50,
  pollMs: 50,
  pollMsMax: 200,
  probeMs: 300,
  hideMs: 50,
  retryMsMax: 200,
};

/** The real clock, which knows what it still has to do. */
export class CountingClock implements Clock {
  pending = 0;
  readonly nowMs = CLOCK.nowMs;
  readonly chance = CLOCK.chance;

  later(ms: number, call: () => void): () => void {
    this.pending += 1;
    let isPending = true;
    const end = () => {
      if (isPending) this.pending -= 1;
      isPending = false;
    };
    const clear = CLOCK.later(ms, () => {
      end();
      call();
    });
    return () => {
      end();
      clear();
    };
  }
}

/** A page whose visibility the test decides. */
export class TestPage implements Page {
  #isHidden = false;
  readonly #calls = new Set<(change: "hidden" | "visible" | "online") => void>();

  isHidden(): boolean {
    return this.#isHidden;
  }

  watch(call: (change: "hidden" | "visible" | "online") => void): () => void {
    this.#calls.add(call);
    return () => this.#calls.delete(call);
  }

  get watched(): number {
    return this.#calls.size;
  }

  turn(change: "hidden" | "visible"): void {
    this.#isHidden = change === "hidden";
    for (const call of [...this.#calls]) call(change);
  }
}

export function clientOf(baseUrl: string, options: Partial<ClientOptions> = {}): ProcessClient {
  return new ProcessClient({ baseUrl, token: "token", limits: BRIEF, ...options });
}

/** Listens to a monitor and keeps all it has shown. */
export class Follower {
  readonly seen: Snapshot[] = [];
  readonly leave: () => void;
  readonly monitor: ProcessMonitor;

  constructor(monitor: ProcessMonitor) {
    this.monitor = monitor;
    this.leave = monitor.subscribe(() => this.seen.push(monitor.snapshot));
  }

  get connection(): Connection {
    return this.monitor.snapshot.connection;
  }

  get status(): string | null {
    return this.monitor.snapshot.status;
  }

  get versions(): number[] {
    const versions = this.seen.flatMap(({ process }) => process?.version ?? []);
    return versions.filter((version, index) => version !== versions[index - 1]);
  }

  get connections(): Connection[] {
    const all = this.seen.map(({ connection }) => connection);
    return all.filter((word, index) => word !== all[index - 1]);
  }
}

export function isIncreasing(numbers: readonly number[]): boolean {
  return numbers.every((value, index) => index === 0 || value > (numbers[index - 1] as number));
}
