/** How long the monitor waits for what, and how often it tries. */

export interface Limits {
  /** No byte of a new stream for this long: something on the way holds it back. */
  readonly firstByteMs: number;
  /** No byte of a stream for this long: it is dead. The server sends one every 10 s. */
  readonly silenceMs: number;
  /** A stream that lasted this long worked: its end is no failure. */
  readonly stableMs: number;
  /** The first wait after a failure, if the server names none; it doubles with each failure. */
  readonly retryMs: number;
  readonly retryMsMax: number;
  /** After so many failures in a row, polls take the stream's place. */
  readonly streamFailuresMax: number;
  readonly pollMs: number;
  readonly pollMsMax: number;
  /** While polling, how often the stream is tried again. */
  readonly probeMs: number;
  /** A tab hidden for this long is paused. */
  readonly hideMs: number;
  /** A request other than a stream is given up after this time. */
  readonly answerMs: number;
  /** The same for a file that is sent; the server waits as long for one. */
  readonly uploadMs: number;
  /** Streams of one client at a time; browsers allow six connections to an HTTP/1.1 server. */
  readonly streamsMax: number;
}

export const LIMITS: Limits = {
  firstByteMs: 5_000,
  silenceMs: 15_000,
  stableMs: 5_000,
  retryMs: 1_000,
  retryMsMax: 30_000,
  streamFailuresMax: 2,
  pollMs: 2_000,
  pollMsMax: 15_000,
  probeMs: 30_000,
  hideMs: 5_000,
  answerMs: 15_000,
  uploadMs: 1_800_000,
  streamsMax: 4,
};
