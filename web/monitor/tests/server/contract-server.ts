import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { canCancel, canRetry, isTerminal, type Process } from "../../src/process.js";
import { Jobs } from "./jobs.js";

export interface ContractServerOptions {
  /** How long a stream stays open, and how often it sends a heartbeat. */
  readonly windowMs?: number;
  readonly heartbeatMs?: number;
}

type Body = Record<string, unknown>;

/** The workspace API inside a test, to the contract: for where no real server is named. */
export class ContractServer {
  readonly jobs = new Jobs();
  readonly tokens = new Set(["token"]);
  readonly #server: Server;
  readonly #options: Required<ContractServerOptions>;
  readonly #streams = new Set<ServerResponse>();
  port = 0;

  constructor(options: ContractServerOptions = {}) {
    this.#options = { windowMs: 25_000, heartbeatMs: 10_000, ...options };
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<string> {
    await new Promise<void>((done) => this.#server.listen(this.port, "127.0.0.1", done));
    this.port = (this.#server.address() as AddressInfo).port;
    return `http://127.0.0.1:${this.port}`;
  }

  async close(): Promise<void> {
    this.jobs.close();
    for (const stream of this.#streams) stream.end();
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://server");
    const token = request.headers.authorization?.replace(/^Bearer /, "");
    if (token === undefined || !this.tokens.has(token))
      return say(response, 401, { message: "Unauthenticated." });
    const body = (await read(request)) as Body;
    const path = url.pathname.replace(/^\/api/, "");
    if (path === "/processes") return this.#collection(request, url, body, response);
    if (path === "/processes/stream") return this.#stream(request, response, null);
    const [, digits, verb = ""] = /^\/processes\/(\d+)(?:\/(\w+))?$/.exec(path) ?? [];
    const process = this.jobs.processes.get(Number(digits));
    if (process === undefined) return say(response, 404, { message: "Not found." });
    if (verb === "stream") return this.#stream(request, response, process.id);
    if (verb === "events") return say(response, 200, this.jobs.events(process.id));
    if (verb === "") return this.#one(request, response, process);
    return this.#command(verb, process, body, response);
  }

  #collection(request: IncomingMessage, url: URL, body: Body, response: ServerResponse): void {
    if (request.method === "POST") {
      const { type, input, request_id } = body;
      if (typeof type !== "string" || typeof input !== "object" || input === null)
        return say(response, 422, { message: "Invalid.", errors: { type: ["A type is needed."] } });
      return say(response, 202, this.jobs.start(type, input as Body, request_id as string));
    }
    const status = url.searchParams.get("status");
    const all = [...this.jobs.processes.values()].reverse();
    say(
      response,
      200,
      all.filter((process) => status === null || process.status === status).map(summary),
    );
  }

  #one(request: IncomingMessage, response: ServerResponse, process: Process): void {
    response.setHeader("ETag", `"v${process.version}"`);
    if (request.headers["if-none-match"] === `"v${process.version}"`) response.writeHead(304).end();
    else say(response, 200, process);
  }

  #command(verb: string, process: Process, body: Body, response: ServerResponse): void {
    const { id, status } = process;
    const { jobs } = this;
    if (verb === "cancel" && canCancel(status))
      return say(response, 200, jobs.end(id, "cancelled"));
    if (verb === "retry" && canRetry(status)) return say(response, 200, jobs.retry(id));
    if (verb === "review" && status === "waiting_review") {
      const { decision, edits = null } = body;
      const result_summary = { decision, edits } as Process["result_summary"];
      return say(response, 200, jobs.end(id, "completed", { progress: 100, result_summary }));
    }
    say(response, 409, { message: `The process is ${status}.` });
  }

  /** Subscribe, then the snapshot, then every change, until the end or the window's. */
  #stream(request: IncomingMessage, response: ServerResponse, id: number | null): void {
    const { windowMs, heartbeatMs } = this.#options;
    response.writeHead(200, {
      "Content-Type": "text/event-stream; charset=utf-8",
      "Cache-Control": "no-store, no-transform",
      "X-Accel-Buffering": "no",
    });
    response.write("retry: 1000\n\n");
    this.#streams.add(response);
    const window = setTimeout(() => response.end(), windowMs);
    const heart = setInterval(() => response.write(": ping\n\n"), heartbeatMs);
    const unwatch = this.jobs.watch((process) => {
      if (id === null || process.id === id) send(response, process, id !== null);
    });
    response.on("close", () => {
      clearTimeout(window);
      clearInterval(heart);
      unwatch();
      this.#streams.delete(response);
    });
    if (id !== null) send(response, this.jobs.processes.get(id) as Process, true);
    request.resume();
  }
}

function send(response: ServerResponse, process: Process, endsWithIt: boolean): void {
  if (response.writableEnded) return;
  const frame = `id: ${process.version}\ndata: ${JSON.stringify(process)}\n\n`;
  response.write(frame);
  if (endsWithIt && isTerminal(process.status)) response.end(`event: done\n${frame}`);
}

function summary({ id, type, status, progress, created_at, updated_at }: Process): object {
  return { id, type, status, progress, created_at, updated_at };
}

function say(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

async function read(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? {} : JSON.parse(text);
}
