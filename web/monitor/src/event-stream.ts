/** The text/event-stream format, read chunk by chunk. */

export interface StreamEvent {
  /** The event's name; "message" where it has none. */
  readonly name: string;
  readonly data: string;
}

/** A longer event is refused: a process is at most a few hundred kilobytes. */
export const EVENT_CHARS_MAX = 4_194_304;

/** The stream sent an event that is too long. */
export class EventTooLong extends Error {
  override readonly name = "EventTooLong";
}

/**
 * Takes text in pieces of any size and gives the events they complete. Ids are left out: a
 * process carries its version itself. A byte order mark is the decoder's to drop.
 */
export class EventStreamParser {
  /** The reconnection time the server has asked for, in milliseconds, if it has. */
  retryMs: number | null = null;
  #rest = "";
  #data: string[] = [];
  #chars = 0;
  #name = "";

  /** The events completed by this piece. Raises EventTooLong. */
  push(text: string): StreamEvent[] {
    const buffer = this.#rest + text;
    const events: StreamEvent[] = [];
    const lines = buffer.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const event = this.#line(line);
      if (event !== null) events.push(event);
    }
    if (this.#rest.length + this.#chars > EVENT_CHARS_MAX) throw new EventTooLong();
    return events;
  }

  #line(line: string): StreamEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    this.#field(field, value);
    return null;
  }

  #field(field: string, value: string): void {
    if (field === "data") {
      this.#data.push(value);
      this.#chars += value.length;
    } else if (field === "event") this.#name = value;
    else if (field === "retry" && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
  }

  #dispatch(): StreamEvent | null {
    const event = { name: this.#name || "message", data: this.#data.join("\n") };
    const isOne = this.#data.length > 0;
    this.#data = [];
    this.#chars = 0;
    this.#name = "";
    return isOne ? event : null;
  }
}
