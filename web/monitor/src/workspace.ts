/** A workspace: its list of processes, starting new ones, and one stream for all of them. */

import type { ProcessClient } from "./client.js";
import { asError, ServerUnreachable } from "./errors.js";
import {
  asList,
  asProcess,
  type Json,
  type Process,
  type ProcessSummary,
  type Status,
} from "./process.js";
import type { Close, Source, StreamSink } from "./stream.js";

export interface NewProcess {
  readonly type: string;
  readonly input: Json;
  /** Sent again with the same id, the request gives the process it has started already. */
  readonly request_id?: string;
}

/** A file the server keeps for a job, which is told its `id`. */
export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface ListQuery {
  readonly status?: Status;
  /** 1 to 200; the server gives 50 if it is left out. */
  readonly limit?: number;
  /** For the next page: the last id of this one. */
  readonly before_id?: number;
}

interface Follower {
  readonly id: number;
  readonly after: number | null;
  readonly sink: StreamSink;
  readonly abort: AbortController;
}

/**
 * As a source for monitors it looks like a stream for each: who follows is told that the stream
 * lives once it does, then gets the state as it is now, then every change. Whoever follows after
 * the shared stream has ended opens it anew; each decides for itself when that is.
 *
 * Calls raise RequestRefused when the server says no, and ServerUnreachable.
 */
export class Workspace implements Source {
  readonly client: ProcessClient;
  readonly id: number;
  readonly #followers = new Set<Follower>();
  #close: Close | null = null;
  #isLive = false;

  constructor(client: ProcessClient, id: number) {
    this.client = client;
    this.id = id;
  }

  /** Its processes, the newest first. */
  async list(query: ListQuery = {}, signal?: AbortSignal): Promise<readonly ProcessSummary[]> {
    const sent = new URLSearchParams({ workspace_id: String(this.id) });
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) sent.set(name, String(value));
    return asList(await this.client.ask(`/processes?${sent}`, {}, signal));
  }

  async start(process: NewProcess): Promise<Process> {
    const body = { workspace_id: this.id, ...process };
    return asProcess(await this.client.ask("/processes", { method: "POST", body }));
  }

  /** Given up when it has not arrived after `limits.uploadMs`. */
  async upload(file: Blob, name: string, signal?: AbortSignal): Promise<Upload> {
    const path = `/uploads?name=${encodeURIComponent(name)}`;
    const { uploadMs } = this.client.limits;
    return asUpload(await this.client.ask(path, { method: "POST", body: file }, signal, uploadMs));
  }

  follow(id: number, after: number | null, sink: StreamSink): Close {
    const follower = { id, after, sink, abort: new AbortController() };
    this.#followers.add(follower);
    if (this.#isLive) queueMicrotask(() => this.#welcome(follower));
    else this.#close ??= this.client.open(this.#path(), null, this.#sink());
    return () => this.#leave(follower);
  }

  #path(): string {
    return `/processes/stream?workspace_id=${this.id}`;
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
      const process = await this.client.get(id, after, signal);
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

/** The value, if it is an upload. Raises ServerUnreachable. */
function asUpload(value: unknown): Upload {
  if (typeof (value as Upload | null)?.id === "string") return value as Upload;
  throw new ServerUnreachable("What came is not an upload.");
}
