import fc from "fast-check";
import { expect, test } from "vitest";
import { EVENT_CHARS_MAX, EventStreamParser, EventTooLong } from "../src/event-stream.js";

function read(...pieces: string[]) {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

test("a frame of the server is one event", () => {
  const parser = new EventStreamParser();
  expect(parser.push('retry: 1000\n\nid: 7\ndata: {"a": 1}\n\n')).toEqual([
    { name: "message", data: '{"a": 1}' },
  ]);
  expect(parser.retryMs).toBe(1_000);
});

test("comments and events without data are none, and an unfinished one is not told", () => {
  expect(read(": ping\n\n", "id: 1\n\n", "event: done\n\n", "data: cut")).toEqual([]);
});

test("an event's name is its own", () => {
  const events = read("event: done\ndata: a\n\ndata: b\n\n");
  expect(events.map(({ name }) => name)).toEqual(["done", "message"]);
});

test("lines of data are joined, one space after the colon is dropped, no colon is an empty value", () => {
  expect(read("data: a\ndata:  b\ndata\n\n")[0]?.data).toBe("a\n b\n");
});

test("a retry that is no number, and fields nobody knows, are ignored", () => {
  const parser = new EventStreamParser();
  expect(parser.push("retry: soon\nretry: -1\nfoo: bar\ndata: x\n\n")[0]?.data).toBe("x");
  expect(parser.retryMs).toBe(null);
});

test.each(["\n", "\r\n", "\r"])("lines may end with %j", (end) => {
  expect(read(`data: a${end}${end}data: b${end}${end}x`).map(({ data }) => data)).toEqual([
    "a",
    "b",
  ]);
});

test("an event without an end is refused", () => {
  const parser = new EventStreamParser();
  parser.push("data: ");
  const piece = "x".repeat(EVENT_CHARS_MAX / 4);
  expect(() => {
    for (let n = 0; n < 5; n += 1) parser.push(piece);
  }).toThrow(EventTooLong);
  expect(() => read(`data: ${piece}\n`.repeat(5))).toThrow(EventTooLong);
});

const line = fc.oneof(
  fc.constantFrom(
    "",
    "",
    "data: a",
    "data:b",
    "id: 4",
    "event: done",
    "retry: 5",
    ": ping",
    "data",
  ),
  fc.string({ maxLength: 8 }).map((text) => `data: ${text.replaceAll(/[\r\n]/g, "")}`),
);
const text = fc
  .array(fc.tuple(line, fc.constantFrom("\n", "\r\n", "\r")), { maxLength: 20 })
  .map((lines) => lines.map(([text, end]) => text + end).join(""));

test("however the text is cut, the events are the same", () => {
  fc.assert(
    fc.property(text, fc.array(fc.nat(200), { maxLength: 10 }), (whole, cuts) => {
      const at = [0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length].sort(
        (a, b) => a - b,
      );
      const pieces = at.map((from, n) => whole.slice(from, at[n + 1] ?? whole.length));
      // A last line break makes sure that a lone \r at the end is not waited on.
      expect(read(...pieces, "\n: end")).toEqual(read(whole, "\n: end"));
    }),
    { numRuns: 2_000 },
  );
});
