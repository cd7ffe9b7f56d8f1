/** What can go wrong between a front end and the server. */

/** The server answered, and the answer was no. `status` is the HTTP status. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";

  constructor(
    readonly status: number,
    message: string,
    /** Messages by field, where the server refused the input. */
    readonly errors: { readonly [field: string]: readonly string[] } = {},
    /** How long the server asks to be left alone, in milliseconds. */
    readonly retryAfterMs: number | null = null,
  ) {
    super(message);
  }
}

/** The server could not be reached, or broke off. */
export class ServerUnreachable extends Error {
  override readonly name = "ServerUnreachable";
}

/** The stream cannot be had by this route: blocked, buffered, or one too many. */
export class StreamUnavailable extends Error {
  override readonly name = "StreamUnavailable";
}

/** Whether asking again cannot help until someone acts: signs in, gives access. */
export function isFinal(error: Error): boolean {
  return error instanceof RequestRefused && [401, 403, 404, 410].includes(error.status);
}

export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
