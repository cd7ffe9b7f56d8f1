/**
 * One stream of a whole workspace, shared by all who follow a process in it.
 *
 * To each it looks like a stream of its own: a follower that joins is told that the stream lives
 * once it does, then gets the state as it is now, then every change. Whoever joins after the
 * shared stream has ended opens it anew; each follower decides for itself when that is.
 */

import { asError } from "./errors.js";
import type { Process } from "./process.js";
import type { Close, StreamSink } from "./stream.js";

type Open = (sink: StreamSink) => Close;
type Read = (id: number, after: number | null, signal: AbortSignal) => Promise<Process | null>;

interface Follower {
  readonly id: number;
  readonly after: number | null;
  readonly sink: StreamSink;
  readonly abort: AbortController;
}

export class WorkspaceStream {
  readonly #open: Open;
  readonly #read: Read;
  readonly #followers = new Set<Follower>();
  #close: Close | null = null;
  #isLive = false;

  constructor(open: Open, read: Read) {
    this.#open = open;
    this.#read = read;
  }

  join(id: number, after: number | null, sink: StreamSink): Close {
    const follower = { id, after, sink, abort: new AbortController() };
    this.#followers.add(follower);
    if (this.#isLive) queueMicrotask(() => this.#welcome(follower));
    else this.#close ??= this.#open(this.#sink());
    return () => this.#leave(follower);
  }

  #sink(): StreamSink {
    return {
      alive: (retryMs) => this.#alive(retryMs),
      frame: (process) => this.#tell(process),
      ended: () => this.#over((sink) => sink.ended()),
      failed: (error) => this.#over((sink) => sink.failed(error)),
    };
  }

  #alive(retryMs: number | null): void {
    const isNew = !this.#isLive;
    this.#isLive = true;
    for (const follower of [...this.#followers]) {
      if (!this.#followers.has(follower)) continue;
      follower.sink.alive(retryMs);
      if (isNew) void this.#catchUp(follower);
    }
  }

  #tell(process: Process): void {
    for (const follower of [...this.#followers])
      if (follower.id === process.id && this.#followers.has(follower)) follower.sink.frame(process);
  }

  #welcome(follower: Follower): void {
    if (follower.abort.signal.aborted) return;
    follower.sink.alive(null);
    void this.#catchUp(follower);
  }

  /** What happened before the stream lived is read once it does: nothing is missed between. */
  async #catchUp({ id, after, sink, abort }: Follower): Promise<void> {
    const { signal } = abort;
    try {
      const process = await this.#read(id, after, signal);
      if (process !== null && !signal.aborted) sink.frame(process);
    } catch (thrown) {
      if (!signal.aborted) sink.failed(asError(thrown));
    }
  }

  #leave(follower: Follower): void {
    follower.abort.abort();
    if (!this.#followers.delete(follower) || this.#followers.size > 0) return;
    this.#close?.();
    this.#reset();
  }

  #over(tell: (sink: StreamSink) => void): void {
    const followers = [...this.#followers];
    this.#followers.clear();
    this.#reset();
    for (const follower of followers) {
      if (follower.abort.signal.aborted) continue;
      follower.abort.abort();
      tell(follower.sink);
    }
  }

  #reset(): void {
    this.#close = null;
    this.#isLive = false;
  }
}
