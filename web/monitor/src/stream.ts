/** Opens one event stream of processes and tells a sink what comes. */

import { asError, ServerUnreachable, StreamUnavailable } from "./errors.js";
import { EventStreamParser } from "./event-stream.js";
import type { Http } from "./http.js";
import { asProcess, type Process } from "./process.js";

export interface StreamSink {
  /** Bytes have come, if only a heartbeat. */
  alive(retryMs: number | null): void;
  frame(process: Process): void;
  /** The server has closed the stream. */
  ended(): void;
  failed(error: Error): void;
}

export type Close = () => void;

/** Opens the stream; after `Close` the sink hears nothing more, and nothing of it is left. */
export function openStream(
  http: Http,
  path: string,
  lastEventId: number | null,
  sink: StreamSink,
): Close {
  const abort = new AbortController();
  const told: StreamSink = {
    alive: (retryMs) => abort.signal.aborted || sink.alive(retryMs),
    frame: (process) => abort.signal.aborted || sink.frame(process),
    ended: () => abort.signal.aborted || sink.ended(),
    failed: (error) => abort.signal.aborted || sink.failed(error),
  };
  read(http, path, lastEventId, told, abort.signal).then(
    () => told.ended(),
    (thrown) => told.failed(asError(thrown)),
  );
  return () => abort.abort();
}

async function read(
  http: Http,
  path: string,
  lastEventId: number | null,
  sink: StreamSink,
  signal: AbortSignal,
): Promise<void> {
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (lastEventId !== null) headers["Last-Event-ID"] = String(lastEventId);
  const answer = await http.send(path, { headers }, signal);
  const reader = answer.body?.getReader();
  if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream") || !reader) {
    await reader?.cancel().catch(() => {});
    throw new StreamUnavailable("What came is not an event stream.");
  }
  const drop = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", drop);
  try {
    if (!signal.aborted) await pump(reader, sink, signal);
  } finally {
    signal.removeEventListener("abort", drop);
    drop();
  }
}

/** Reads until the server closes. `done` carries a state like any frame: the state says the rest. */
async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  sink: StreamSink,
  signal: AbortSignal,
): Promise<void> {
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  while (!signal.aborted) {
    const { value } = await reader.read().catch((thrown) => {
      throw new ServerUnreachable("The stream broke off.", { cause: thrown });
    });
    if (value === undefined) return;
    const events = parser.push(decoder.decode(value, { stream: true }));
    sink.alive(parser.retryMs);
    for (const event of events)
      if (event.name === "message" || event.name === "done") sink.frame(processIn(event.data));
  }
}

function processIn(data: string): Process {
  let value: unknown = null;
  try {
    value = JSON.parse(data);
  } catch {
    // Told below, like any other value that is no process.
  }
  const process = asProcess(value);
  if (process === null) throw new StreamUnavailable("What came is not a process.");
  return process;
}
