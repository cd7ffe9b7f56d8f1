/** The workspace API for a front end: its calls, its streams, and who shares them. */

import { CLOCK, type Clock, PAGE, type Page } from "./clock.js";
import { ServerUnreachable, StreamUnavailable } from "./errors.js";
import { type Access, Http } from "./http.js";
import { LIMITS, type Limits } from "./limits.js";
import { ProcessMonitor } from "./monitor.js";
import {
  asProcess,
  type Json,
  type Process,
  type ProcessEvent,
  type ProcessSummary,
  type Status,
} from "./process.js";
import { type Close, openStream, type StreamSink } from "./stream.js";
import { WorkspaceStream } from "./workspace-stream.js";

export interface ClientOptions extends Access {
  readonly limits?: Partial<Limits> | undefined;
  readonly clock?: Clock | undefined;
  readonly page?: Page | undefined;
}

export interface FollowOptions {
  /** Follow by the one stream of this workspace instead of a stream for each process. */
  readonly workspaceId?: number | undefined;
}

export interface NewProcess {
  readonly type: string;
  readonly workspace_id: number;
  readonly input: Json;
  /** Sent again with the same id, the request gives the process it has started already. */
  readonly request_id?: string;
}

export interface ListQuery {
  readonly workspace_id?: number;
  readonly status?: Status;
  readonly limit?: number;
  readonly before_id?: number;
}

export interface Review {
  readonly decision: "approve" | "reject";
  readonly edits?: Json;
}

/**
 * One per server and signed-in user. Every call raises RequestRefused when the server says no and
 * ServerUnreachable when it could not be asked.
 */
export class ProcessClient {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly page: Page;
  readonly #http: Http;
  readonly #monitors = new Map<string, ProcessMonitor>();
  readonly #workspaces = new Map<number, WorkspaceStream>();
  #streams = 0;

  constructor(options: ClientOptions) {
    this.limits = { ...LIMITS, ...options.limits };
    this.clock = options.clock ?? CLOCK;
    this.page = options.page ?? PAGE;
    this.#http = new Http(options, this.clock);
  }

  /** The process, or null if it is still at the version `after`. */
  async get(id: number, after?: number | null, signal?: AbortSignal): Promise<Process | null> {
    const known = after ?? null;
    const headers: Record<string, string> =
      known === null ? {} : { "If-None-Match": `"v${known}"` };
    const value = await this.#ask(`/processes/${id}`, { headers }, signal);
    return value === null ? null : read(value);
  }

  async list(query: ListQuery = {}, signal?: AbortSignal): Promise<readonly ProcessSummary[]> {
    const sent = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) sent.set(name, String(value));
    return array(await this.#ask(`/processes?${sent}`, {}, signal));
  }

  async events(id: number, signal?: AbortSignal): Promise<readonly ProcessEvent[]> {
    return array(await this.#ask(`/processes/${id}/events`, {}, signal));
  }

  async start(process: NewProcess): Promise<Process> {
    return read(await this.#post("/processes", process));
  }

  async cancel(id: number): Promise<Process> {
    return this.#tell(read(await this.#post(`/processes/${id}/cancel`, {})));
  }

  async retry(id: number): Promise<Process> {
    return this.#tell(read(await this.#post(`/processes/${id}/retry`, {})));
  }

  async review(id: number, review: Review): Promise<Process> {
    return this.#tell(read(await this.#post(`/processes/${id}/review`, review)));
  }

  /** The monitor of this process that all its followers share. */
  monitor(id: number, options: FollowOptions = {}): ProcessMonitor {
    const key = monitorKey(id, options);
    const shared = this.#monitors.get(key);
    if (shared !== undefined) return shared;
    const monitor: ProcessMonitor = new ProcessMonitor(id, this, options, (isFollowed) => {
      if (isFollowed) this.#monitors.set(key, monitor);
      else if (this.#monitors.get(key) === monitor) this.#monitors.delete(key);
    });
    this.#monitors.set(key, monitor);
    return monitor;
  }

  /** The same, if anyone follows the process now. */
  followed(id: number, options: FollowOptions = {}): ProcessMonitor | null {
    return this.#monitors.get(monitorKey(id, options)) ?? null;
  }

  /** Try again now whatever was given up, for example after the user has signed in again. */
  reconnect(): void {
    for (const monitor of [...this.#monitors.values()]) monitor.reconnect();
  }

  /** Follow one process by a stream; after `Close` nothing of it is left. */
  follow(id: number, after: number | null, options: FollowOptions, sink: StreamSink): Close {
    const { workspaceId } = options;
    if (workspaceId !== undefined) return this.#workspace(workspaceId).join(id, after, sink);
    return this.#open(`/processes/${id}/stream`, after, sink);
  }

  #workspace(workspaceId: number): WorkspaceStream {
    let stream = this.#workspaces.get(workspaceId);
    if (stream === undefined) {
      const path = `/processes/stream?workspace_id=${workspaceId}`;
      stream = new WorkspaceStream(
        (sink) => this.#open(path, null, sink),
        (id, after, signal) => this.get(id, after, signal),
      );
      this.#workspaces.set(workspaceId, stream);
    }
    return stream;
  }

  #open(path: string, after: number | null, sink: StreamSink): Close {
    if (this.#streams >= this.limits.streamsMax) {
      const full = new StreamUnavailable("Too many streams are open already.");
      return this.clock.later(0, () => sink.failed(full));
    }
    this.#streams += 1;
    const close = openStream(this.#http, path, after, sink);
    let isOpen = true;
    return () => {
      close();
      if (isOpen) this.#streams -= 1;
      isOpen = false;
    };
  }

  /** What a command has answered, to all who follow the process in this page. */
  #tell(process: Process): Process {
    for (const monitor of this.#monitors.values())
      if (monitor.id === process.id) monitor.told(process);
    return process;
  }

  #post(path: string, body: unknown): Promise<unknown> {
    return this.#ask(path, { method: "POST", body });
  }

  #ask(path: string, request: Parameters<Http["json"]>[1], signal?: AbortSignal): Promise<unknown> {
    return this.#http.json(path, request, this.limits.answerMs, signal);
  }
}

function monitorKey(id: number, { workspaceId }: FollowOptions): string {
  return workspaceId === undefined ? `${id}` : `${id} in ${workspaceId}`;
}

function read(value: unknown): Process {
  const process = asProcess(value);
  if (process === null) throw new ServerUnreachable("The answer is not a process.");
  return process;
}

function array<Item>(value: unknown): readonly Item[] {
  if (!Array.isArray(value)) throw new ServerUnreachable("The answer is not a list.");
  return value;
}
