/** The text/event-stream format, read chunk by chunk. */

export interface StreamEvent {
  /** The event's name; "message" where it has none. */
  readonly name: string;
  readonly data: string;
  /** The last id seen, this event's or an earlier one's. */
  readonly id: string;
  /** The reconnection time the server has asked for, in milliseconds, if it has. */
  readonly retryMs: number | null;
}

/** A longer event is refused: a process is at most a few hundred kilobytes. */
export const EVENT_CHARS_MAX = 4_194_304;

/** The stream sent an event that is too long. */
export class EventTooLong extends Error {
  override readonly name = "EventTooLong";
}

/** Takes text in pieces of any size and gives the events they complete. */
export class EventStreamParser {
  #rest = "";
  #data: string[] = [];
  #chars = 0;
  #name = "";
  #id = "";
  #retryMs: number | null = null;
  #begun = false;

  get retryMs(): number | null {
    return this.#retryMs;
  }

  /** The events completed by this piece. Raises EventTooLong. */
  push(text: string): StreamEvent[] {
    let buffer = this.#rest + text;
    if (!this.#begun && buffer.length > 0) {
      this.#begun = true;
      if (buffer.startsWith("\uFEFF")) buffer = buffer.slice(1);
    }
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
      if (this.#chars > EVENT_CHARS_MAX) throw new EventTooLong();
    } else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d{1,9}$/.test(value)) this.#retryMs = Number(value);
  }

  #dispatch(): StreamEvent | null {
    const { length } = this.#data;
    const event = {
      name: this.#name || "message",
      data: this.#data.join("\n"),
      id: this.#id,
      retryMs: this.#retryMs,
    };
    this.#data = [];
    this.#chars = 0;
    this.#name = "";
    return length === 0 ? null : event;
  }
}
