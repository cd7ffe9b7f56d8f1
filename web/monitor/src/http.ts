/** Requests with the caller's token, which is renewed when the server refuses it. */

import type { Clock } from "./clock.js";
import { RequestRefused, ServerUnreachable } from "./errors.js";

/**
 * Gives the token of the moment. After a 401 it is called with the token that was refused and
 * gives a new one, or null when there is none to be had: the user has to sign in.
 */
export type TokenSource = (refused?: string) => string | null | Promise<string | null>;

export interface Access {
  /** Where the API is, up to and including `/api`. */
  readonly baseUrl: string;
  /** Without a token the session's cookie is relied on. */
  readonly token?: string | TokenSource | undefined;
  /** More headers for every request, such as a CSRF token or the X-Audit ones. */
  readonly headers?: (() => Readonly<Record<string, string>>) | undefined;
  readonly credentials?: RequestCredentials | undefined;
  readonly fetch?: typeof fetch | undefined;
}

export interface Request {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  /** A file is sent as it is, everything else as JSON. */
  readonly body?: unknown;
}

const RETRY_AFTER_MS_MAX = 300_000;

export class Http {
  readonly #access: Access;
  readonly #clock: Clock;
  readonly #renewals = new Map<string, Promise<string | null>>();

  constructor(access: Access, clock: Clock) {
    this.#access = access;
    this.#clock = clock;
  }

  /** The answer, if it is a good one or 304. Raises RequestRefused, ServerUnreachable. */
  async send(path: string, request: Request, signal: AbortSignal): Promise<Response> {
    const token = await this.#token();
    let answer = await this.#fetch(path, request, token, signal);
    if (answer.status === 401 && token !== null) {
      const renewed = await this.#renew(token);
      if (renewed !== null && renewed !== token) {
        answer.body?.cancel().catch(() => {});
        answer = await this.#fetch(path, request, renewed, signal);
      }
    }
    if (answer.ok || answer.status === 304) return answer;
    throw await refusal(answer);
  }

  /** The answer's JSON, or null for 304; given up after `deadlineMs`. Raises as `send` does. */
  async json(
    path: string,
    request: Request,
    deadlineMs: number,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const abort = new AbortController();
    let clear = () => {};
    const givenUp = new Promise<never>((_, reject) => {
      const end = (reason: unknown) => {
        reject(reason);
        abort.abort();
      };
      const drop = () => end(signal?.reason);
      const late = () => end(new ServerUnreachable("The server did not answer in time."));
      const unset = this.#clock.later(deadlineMs, late);
      signal?.addEventListener("abort", drop);
      if (signal?.aborted) drop();
      clear = () => {
        unset();
        signal?.removeEventListener("abort", drop);
      };
    });
    const answered = this.send(path, request, abort.signal).then(parsed);
    // What is given up may still fail later, and is nobody's concern then.
    answered.catch(() => {});
    return await Promise.race([answered, givenUp]).finally(clear);
  }

  async #fetch(
    path: string,
    request: Request,
    token: string | null,
    signal: AbortSignal,
  ): Promise<Response> {
    const {
      baseUrl,
      headers,
      credentials = "same-origin",
      fetch = globalThis.fetch,
    } = this.#access;
    const sent = new Headers({ Accept: "application/json", ...headers?.(), ...request.headers });
    if (token !== null) sent.set("Authorization", `Bearer ${token}`);
    const init: RequestInit = { headers: sent, credentials, signal, cache: "no-store" };
    init.method = request.method ?? "GET";
    if (request.body instanceof Blob) init.body = request.body;
    else if (request.body !== undefined) {
      sent.set("Content-Type", "application/json");
      init.body = JSON.stringify(request.body);
    }
    try {
      return await fetch(baseUrl.replace(/\/+$/, "") + path, init);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      throw new ServerUnreachable("The server could not be reached.", { cause: thrown });
    }
  }

  async #token(): Promise<string | null> {
    const { token = null } = this.#access;
    return typeof token === "function" ? await token() : token;
  }

  /** One renewal for all requests that were refused with the same token. */
  async #renew(refused: string): Promise<string | null> {
    const { token } = this.#access;
    if (typeof token !== "function") return null;
    const current = await token();
    if (current !== refused) return current;
    let renewal = this.#renewals.get(refused);
    if (renewal === undefined) {
      renewal = Promise.resolve(token(refused)).finally(() => this.#renewals.delete(refused));
      this.#renewals.set(refused, renewal);
    }
    return await renewal;
  }
}

async function parsed(answer: Response): Promise<unknown> {
  if (answer.status === 304) return null;
  const text = await answer.text().catch((thrown) => {
    throw new ServerUnreachable("The answer broke off.", { cause: thrown });
  });
  try {
    return text === "" ? null : JSON.parse(text);
  } catch (thrown) {
    throw new ServerUnreachable("The answer is not JSON.", { cause: thrown });
  }
}

async function refusal(answer: Response): Promise<RequestRefused> {
  const body = await parsed(answer).catch(() => null);
  const { message, errors } = (body ?? {}) as { message?: unknown; errors?: unknown };
  return new RequestRefused(
    answer.status,
    typeof message === "string" ? message : `The server answered ${answer.status}.`,
    typeof errors === "object" && errors !== null ? (errors as Record<string, string[]>) : {},
    retryAfterMs(answer.headers.get("Retry-After")),
  );
}

/** Only the number of seconds is read; a date would need the server's clock. */
function retryAfterMs(header: string | null): number | null {
  return header !== null && /^\d{1,9}$/.test(header)
    ? Math.min(Number(header) * 1_000, RETRY_AFTER_MS_MAX)
    : null;
}
