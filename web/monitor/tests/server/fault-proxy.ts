import { readFile } from "node:fs/promises";
import {
  request as ask,
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

/** What the way to the server does to streams: nothing, or a fault. */
export type Way = "open" | "buffered" | "hanging" | "refused" | "html";

/** Stands between the monitor and whichever server is tested, and breaks what it is told to. */
export class FaultProxy {
  /** What happens to streams that are opened from now on. */
  streams: Way = "open";
  /** Whether requests other than streams are left without an answer. */
  isMute = false;
  /** Streams are closed cleanly this long after their start. */
  windowMs: number | null = null;
  /** If set, only these tokens get past. The proxy puts the server's own in their place. */
  tokens: Set<string> | null = null;
  /** A folder of files to serve beside the API, as from one origin. */
  files: string | null = null;
  /** What has been asked, as "GET /api/processes/1". */
  readonly asked: { line: string; headers: IncomingMessage["headers"] }[] = [];
  readonly #upstream: URL;
  readonly #token: string;
  readonly #open = new Set<ServerResponse>();
  readonly #unanswered = new Set<ServerResponse>();
  #server: Server | null = null;
  #port = 0;

  constructor(upstream: string, token: string) {
    this.#upstream = new URL(upstream);
    this.#token = token;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get baseUrl(): string {
    return `${this.origin}/api`;
  }

  /** Streams that the other side has not closed, and the server has not ended. */
  get openStreams(): number {
    return this.#open.size;
  }

  /** Requests that were left without an answer and not given up by the other side. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  streamsAsked(id?: number): number {
    const ends = id === undefined ? /\/stream(\?.*)?$/ : new RegExp(`/${id}/stream$`);
    return this.asked.filter(({ line }) => ends.test(line)).length;
  }

  pollsAsked(id: number): number {
    return this.asked.filter(({ line }) => line === `GET /api/processes/${id}`).length;
  }

  async up(): Promise<void> {
    const server = createServer((request, response) => this.#answer(request, response));
    this.#server = server;
    await new Promise<void>((done) => server.listen(this.#port, "127.0.0.1", done));
    this.#port = (server.address() as AddressInfo).port;
  }

  /** As when the server is killed: every connection breaks, and new ones are refused. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    await new Promise<void>((done) => (server === null ? done() : server.close(() => done())));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (this.files !== null && !request.url?.startsWith("/api")) {
      void serve(this.files, request.url ?? "/", response);
      return;
    }
    const line = `${request.method} ${request.url}`;
    this.asked.push({ line, headers: request.headers });
    const token = request.headers.authorization?.replace("Bearer ", "") ?? "";
    if (this.tokens !== null && !this.tokens.has(token)) {
      refuse(response, 401, "application/json", '{"message": "Unauthenticated."}');
    } else if (/\/stream(\?|$)/.test(request.url ?? "")) this.#stream(request, response);
    else if (this.isMute) this.#ignore(response);
    else this.#pass(request, response, false);
  }

  #ignore(response: ServerResponse): void {
    this.#unanswered.add(response);
    response.on("close", () => this.#unanswered.delete(response));
  }

  #stream(request: IncomingMessage, response: ServerResponse): void {
    this.#open.add(response);
    response.on("close", () => this.#open.delete(response));
    if (this.streams === "refused") refuse(response, 501, "text/plain", "no streams here");
    else if (this.streams === "html") refuse(response, 200, "text/html", "<p>sign in</p>");
    else if (this.streams === "hanging") response.writeHead(200, EVENTS).flushHeaders();
    else this.#pass(request, response, this.streams === "buffered");
  }

  #pass(request: IncomingMessage, response: ServerResponse, isBuffered: boolean): void {
    const headers = { ...request.headers, authorization: `Bearer ${this.#token}` };
    const { hostname, port } = this.#upstream;
    const path = request.url ?? "/";
    const method = request.method ?? "GET";
    const upstream = ask({ hostname, port, path, method, headers }, (answer) => {
      const kept: Buffer[] = [];
      if (!isBuffered) response.writeHead(answer.statusCode ?? 502, answer.headers).flushHeaders();
      answer.on("data", (chunk: Buffer) => (isBuffered ? kept.push(chunk) : response.write(chunk)));
      answer.on("end", () => {
        if (isBuffered) response.writeHead(answer.statusCode ?? 502, answer.headers);
        response.end(Buffer.concat(kept));
      });
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    if (this.windowMs !== null && this.#open.has(response)) {
      const window = setTimeout(() => response.end(), this.windowMs);
      response.on("close", () => clearTimeout(window));
    }
    request.pipe(upstream);
  }
}

const EVENTS = { "Content-Type": "text/event-stream" };

function refuse(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { "Content-Type": type }).end(text);
}

const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
};

async function serve(folder: string, url: string, response: ServerResponse): Promise<void> {
  const path = normalize(new URL(url, "http://files").pathname);
  const name = path === "/" ? "/index.html" : path;
  const type = TYPES[extname(name)] ?? "application/octet-stream";
  const file = await readFile(join(folder, name)).catch(() => null);
  response.writeHead(file === null ? 404 : 200, { "Content-Type": type }).end(file);
}
