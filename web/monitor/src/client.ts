/** The workspace API for a front end: its calls, its streams, and who shares them. */

import { CLOCK, type Clock, PAGE, type Page } from "./clock.js";
import { StreamUnavailable } from "./errors.js";
import { type Access, Http, type Request } from "./http.js";
import { LIMITS, type Limits } from "./limits.js";
import { ProcessMonitor } from "./monitor.js";
import { asList, asProcess, type Json, type Process, type ProcessEvent } from "./process.js";
import { type Close, openStream, type Source, type StreamSink } from "./stream.js";

export interface ClientOptions extends Access {
  readonly limits?: Partial<Limits> | undefined;
  readonly clock?: Clock | undefined;
  readonly page?: Page | undefined;
}

export interface Review {
  readonly decision: "approve" | "reject";
  readonly edits?: Json;
}

/**
 * One per server and signed-in user. Every call raises RequestRefused when the server says no and
 * ServerUnreachable when it could not be asked.
 */
export class ProcessClient implements Source {
  readonly limits: Limits;
  readonly clock: Clock;
  readonly page: Page;
  readonly #http: Http;
  readonly #monitors = new Set<ProcessMonitor>();
  #streams = 0;

  constructor(options: ClientOptions) {
    this.limits = { ...LIMITS, ...options.limits };
    this.clock = options.clock ?? CLOCK;
    this.page = options.page ?? PAGE;
    this.#http = new Http(options, this.clock);
  }

  /** The process, or null if it is still at the version `after`. */
  async get(id: number, after?: number | null, signal?: AbortSignal): Promise<Process | null> {
    const headers: Record<string, string> = {};
    if (typeof after === "number") headers["If-None-Match"] = `"v${after}"`;
    const value = await this.ask(`/processes/${id}`, { headers }, signal);
    return value === null ? null : asProcess(value);
  }

  /** Its log, the oldest first. */
  async events(id: number, signal?: AbortSignal): Promise<readonly ProcessEvent[]> {
    return asList(await this.ask(`/processes/${id}/events`, {}, signal));
  }

  cancel(id: number): Promise<Process> {
    return this.#command(id, "cancel", {});
  }

  retry(id: number): Promise<Process> {
    return this.#command(id, "retry", {});
  }

  review(id: number, review: Review): Promise<Process> {
    return this.#command(id, "review", review);
  }

  /** The monitor of this process that all its followers share: by this source, or its own stream. */
  monitor(id: number, source: Source = this): ProcessMonitor {
    const shared = this.followed(id, source);
    if (shared !== null) return shared;
    const monitor: ProcessMonitor = new ProcessMonitor(id, this, source, (isFollowed) => {
      if (isFollowed) this.#monitors.add(monitor);
      else this.#monitors.delete(monitor);
    });
    this.#monitors.add(monitor);
    return monitor;
  }

  /** The same, if anyone follows the process now. */
  followed(id: number, source: Source = this): ProcessMonitor | null {
    for (const monitor of this.#monitors)
      if (monitor.id === id && monitor.source === source) return monitor;
    return null;
  }

  /** Try again now whatever was given up, for example after the user has signed in again. */
  reconnect(): void {
    for (const monitor of [...this.#monitors]) monitor.reconnect();
  }

  follow(id: number, after: number | null, sink: StreamSink): Close {
    return this.open(`/processes/${id}/stream`, after, sink);
  }

  /** Opens a stream of the API, if one more is allowed. */
  open(path: string, after: number | null, sink: StreamSink): Close {
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

  /** The API's answer to a request, or null for 304. */
  ask(
    path: string,
    request: Request = {},
    signal?: AbortSignal,
    deadlineMs = this.limits.answerMs,
  ): Promise<unknown> {
    return this.#http.json(path, request, deadlineMs, signal);
  }

  /** What a command has answered, to all who follow the process in this page. */
  async #command(id: number, verb: string, body: unknown): Promise<Process> {
    const path = `/processes/${id}/${verb}`;
    const process = asProcess(await this.ask(path, { method: "POST", body }));
    for (const monitor of this.#monitors) if (monitor.id === id) monitor.told(process);
    return process;
  }
}
