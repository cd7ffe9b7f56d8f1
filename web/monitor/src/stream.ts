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

/** Where a monitor's states come from: after `Close` the sink hears nothing more. */
export interface Source {
  follow(id: number, after: number | null, sink: StreamSink): Close;
}

/** Opens the stream; `Close` breaks off the request. After it the sink hears nothing more, and nothing of it is left. */
export function openStream(
  http: Http,
  path: string,
  lastEventId: number | null,
  sink: StreamSink,
): Close {
  const abort = new AbortController();
  const { signal } = abort;
  read(http, path, lastEventId, sink, signal).then(
    () => signal.aborted || sink.ended(),
    (thrown) => signal.aborted || sink.failed(asError(thrown)),
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
  try {
    if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream") || !reader)
      throw new StreamUnavailable("What came is not an event stream.");
    await pump(reader, sink, signal);
  } finally {
    reader?.cancel().catch(() => {});
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
  for (;;) {
    const { value } = await reader.read().catch((thrown) => {
      throw new ServerUnreachable("The stream broke off.", { cause: thrown });
    });
    if (value === undefined || signal.aborted) return;
    const events = parser.push(decoder.decode(value, { stream: true }));
    sink.alive(parser.retryMs);
    for (const { name, data } of events)
      if (!signal.aborted && (name === "message" || name === "done"))
        sink.frame(asProcess(JSON.parse(data)));
  }
}
