import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RequestRefused, ServerUnreachable, StreamUnavailable } from "../src/errors.js";
import { LIMITS } from "../src/limits.js";
import { step } from "../src/machine.js";
import { isTerminal, type Process, STATUSES, type Status } from "../src/process.js";
import { begin, connection, type Event, type State } from "../src/state.js";
import { aProcess } from "./a-process.js";
import { World } from "./machine-world.js";

const unreachable = new ServerUnreachable("gone");

describe("by hand", () => {
  test("a started monitor opens the stream, is live with its first byte, and done at the end", () => {
    const world = new World();
    world.take({ kind: "started" });
    expect(world.shown()).toEqual(["reconnecting", null]);
    world.streamSays("alive");
    expect(world.shown()).toEqual(["live", null]);
    world.frame({ version: 1, status: "running" });
    world.frame({ version: 2, status: "completed" });
    expect(world.shown()).toEqual(["done", "completed"]);
    world.expectNothingLeft();
  });

  test("an older version never wins, whichever way it comes", () => {
    const world = new World().live({ version: 7, status: "running" });
    world.frame({ version: 6, status: "pending" });
    world.take({ kind: "told", process: aProcess({ version: 5, status: "cancelled" }) });
    world.frame({ version: 7, status: "failed" });
    expect(world.state.process).toMatchObject({ version: 7, status: "running" });
  });

  test("what a former stream or poll still says is ignored", () => {
    const world = new World().live({ version: 1, status: "running" });
    const former = world.state.streamRun;
    world.pass(LIMITS.stableMs);
    world.streamSays("ended");
    world.ring("reconnect");
    world.take({ kind: "frame", run: former, process: aProcess({ version: 9 }) });
    world.take({ kind: "failed", run: former, error: unreachable });
    expect(world.state.process?.version).toBe(1);
    expect(world.state.stream).toBe("opening");
  });

  test("a window that closes is renewed with the last version, and stays live meanwhile", () => {
    const world = new World().live({ version: 3, status: "running" });
    world.pass(25_000);
    world.streamSays("ended");
    expect(world.shown()[0]).toBe("live");
    expect(world.timers.get("reconnect")).toBeLessThanOrEqual(LIMITS.retryMs / 4);
    world.ring("reconnect");
    expect(world.shown()[0]).toBe("live");
    expect(world.lastOpened).toBe(3);
  });

  test("a renewal that fails is not live any more", () => {
    const world = new World().live({ version: 3, status: "running" });
    world.pass(25_000);
    world.streamSays("ended");
    world.ring("reconnect");
    world.fail(unreachable);
    expect(world.shown()[0]).toBe("reconnecting");
    expect(world.timers.has("reconnect")).toBe(true);
  });

  test("streams that end at once become polls, not a loop", () => {
    const world = new World().live({ version: 3, status: "running" });
    for (let n = 0; n < LIMITS.streamFailuresMax; n += 1) {
      if (world.state.stream === "closed") world.ring("reconnect");
      world.streamSays("alive");
      world.streamSays("ended");
    }
    expect(world.shown()[0]).toBe("polling");
    expect(world.polls).toBe(1);
  });

  test("a stream without a first byte is taken for blocked: polls at once, and a probe later", () => {
    const world = new World();
    world.take({ kind: "started" });
    expect(world.timers.get("silence")).toBe(LIMITS.firstByteMs);
    world.ring("silence");
    expect(world.polls).toBe(1);
    world.answer(aProcess({ version: 4, status: "running" }));
    expect(world.shown()).toEqual(["polling", "running"]);
    expect(world.timers.get("poll")).toBe(LIMITS.pollMs);
    world.ring("probe");
    expect(world.shown()[0]).toBe("polling");
    world.streamSays("alive");
    expect(world.shown()[0]).toBe("live");
    expect([...world.timers.keys()]).toEqual(["silence"]);
  });

  test("a probe that fails is followed by another", () => {
    const world = new World();
    world.take({ kind: "started" });
    world.fail(new StreamUnavailable("blocked"));
    for (let n = 0; n < 3; n += 1) {
      world.ring("probe");
      world.fail(unreachable);
      expect(world.timers.get("probe")).toBeGreaterThanOrEqual(LIMITS.probeMs / 2);
    }
  });

  test("a live stream that goes silent twice is polled around", () => {
    const world = new World().live({ version: 1, status: "running" });
    world.ring("silence");
    expect(world.shown()[0]).toBe("reconnecting");
    world.ring("reconnect");
    world.streamSays("alive");
    world.pass(LIMITS.silenceMs);
    world.ring("silence");
    expect(world.shown()[0]).toBe("polling");
  });

  test("heartbeats over time make earlier failures forgotten", () => {
    const world = new World();
    world.take({ kind: "started" });
    world.fail(unreachable);
    world.ring("reconnect");
    world.streamSays("alive");
    expect(world.state.streamFailures).toBe(1);
    world.pass(10_000);
    world.streamSays("alive");
    expect(world.state.streamFailures).toBe(0);
  });

  test.each([401, 403, 404])(
    "a poll refused with %i ends in an error that a nudge retries",
    (status) => {
      const world = new World();
      world.take({ kind: "started" });
      const refused = new RequestRefused(status, "no");
      world.fail(refused);
      world.pollFails(refused);
      expect(world.shown()[0]).toBe("error");
      expect(world.state.trouble).toBe(refused);
      world.expectNothingLeft();
      world.take({ kind: "nudged" });
      expect(world.state.stream).toBe("opening");
      expect(world.state.trouble).toBe(null);
    },
  );

  test("a server that asks to be left alone is, by streams and by polls", () => {
    const busy = new RequestRefused(503, "busy", {}, 20_000);
    const world = new World();
    world.take({ kind: "started" });
    world.fail(busy);
    expect(world.timers.get("reconnect")).toBeGreaterThanOrEqual(20_000);
    world.ring("reconnect");
    world.fail(busy);
    expect(world.polls).toBe(0);
    expect(world.timers.get("poll")).toBeGreaterThanOrEqual(20_000);
    world.ring("poll");
    world.pollFails(busy);
    expect(world.timers.get("poll")).toBeGreaterThanOrEqual(20_000);
    expect(world.timers.get("poll")).toBeLessThanOrEqual(25_000);
  });

  test("waits grow with each failure up to a limit, and the server's word sets the first", () => {
    const world = new World();
    world.take({ kind: "started" });
    world.fail(new StreamUnavailable("blocked"));
    const waits: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      world.pollFails(unreachable);
      waits.push(world.timers.get("poll") ?? 0);
      world.ring("poll");
    }
    expect(waits[0]).toBeGreaterThanOrEqual(LIMITS.pollMs / 2);
    expect(Math.max(...waits)).toBeLessThanOrEqual(LIMITS.pollMsMax);
    expect(waits[3]).toBeGreaterThan(waits[0] as number);
  });

  test("the first poll that works after failures tries the stream at once", () => {
    const world = new World();
    world.take({ kind: "started" });
    world.fail(new StreamUnavailable("blocked"));
    world.pollFails(unreachable);
    world.ring("poll");
    world.answer(null);
    expect(world.state.stream).toBe("opening");
  });

  test("a hidden tab is paused after a while and goes on where it was", () => {
    const world = new World().live({ version: 5, status: "running" });
    world.take({ kind: "hidden" });
    expect(world.state.stream).toBe("live");
    world.ring("hide");
    world.expectNothingLeft();
    world.take({ kind: "visible" });
    expect(world.lastOpened).toBe(5);
  });

  test("a tab that is shown again soon keeps its stream", () => {
    const world = new World().live({ version: 5, status: "running" });
    const { streamRun } = world.state;
    world.take({ kind: "hidden" });
    world.take({ kind: "visible" });
    expect(world.timers.has("hide")).toBe(false);
    expect(world.state).toMatchObject({ stream: "live", streamRun });
  });

  test("a retry after the end follows again; the same end once more does not", () => {
    const world = new World().live({ version: 5, status: "failed" });
    expect(world.shown()[0]).toBe("done");
    world.take({ kind: "told", process: aProcess({ version: 5, status: "running" }) });
    expect(world.shown()[0]).toBe("done");
    world.take({ kind: "told", process: aProcess({ version: 6, status: "pending" }) });
    expect(world.lastOpened).toBe(6);
    expect(world.state.phase).toBe("running");
  });

  test("a stream that ends without a word about what has ended already is the end", () => {
    const world = new World().live({ version: 5, status: "completed" });
    world.take({ kind: "stopped" });
    world.take({ kind: "started" });
    expect(world.lastOpened).toBe(5);
    world.streamSays("alive");
    world.streamSays("ended");
    expect(world.shown()[0]).toBe("done");
    world.expectNothingLeft();
  });

  test("what was wrong with the connection does not matter any more at the end", () => {
    const world = new World();
    world.take({ kind: "started" });
    world.fail(unreachable);
    expect(world.state.trouble).toBe(unreachable);
    world.take({ kind: "told", process: aProcess({ version: 5, status: "cancelled" }) });
    expect(world.shown()).toEqual(["done", "cancelled"]);
    expect(world.state.trouble).toBe(null);
  });

  test("the wait that a server asks for between streams is kept, within a limit", () => {
    const world = new World();
    world.take({ kind: "started" });
    world.take({ kind: "alive", run: world.state.streamRun, retryMs: 4_000 });
    expect(world.state.retryMs).toBe(4_000);
    world.take({ kind: "alive", run: world.state.streamRun, retryMs: 999_999_999 });
    expect(world.state.retryMs).toBe(LIMITS.retryMsMax);
  });

  test("a refusal is shown until the next command", () => {
    const world = new World().live({ version: 5, status: "running" });
    const refusal = new RequestRefused(409, "no");
    world.take({ kind: "refused", error: refusal });
    expect(world.state.refusal).toBe(refusal);
    expect(world.shown()[0]).toBe("live");
    world.take({ kind: "commanded" });
    expect(world.state.refusal).toBe(null);
  });
});

const status = fc.constantFrom<Status>(...STATUSES);
const process = fc.record({ version: fc.nat(12), status }).map(aProcess);
const error = fc.constantFrom<Error>(
  unreachable,
  new StreamUnavailable("blocked"),
  new RequestRefused(503, "busy", {}, 3_000),
  new RequestRefused(401, "no"),
  new RequestRefused(404, "no"),
);
const late = fc.oneof(
  { weight: 6, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 }) },
);
/** What may happen, current or late; `run` counts back from the newest. */
const happening: fc.Arbitrary<Event> = fc.oneof(
  fc
    .constantFrom("started", "stopped", "hidden", "visible", "nudged", "commanded")
    .map((kind) => ({ kind }) as Event),
  fc.record({ kind: fc.constant("alive" as const), run: late, retryMs: fc.option(fc.nat(5_000)) }),
  fc.record({ kind: fc.constant("frame" as const), run: late, process }),
  fc.record({ kind: fc.constant("ended" as const), run: late }),
  fc.record({ kind: fc.constant("failed" as const), run: late, error }),
  fc.record({ kind: fc.constant("polled" as const), run: late, process: fc.option(process) }),
  fc.record({ kind: fc.constant("poll_failed" as const), run: late, error }),
  fc.record({ kind: fc.constant("told" as const), process }),
  fc.record({ kind: fc.constant("refused" as const), error }),
  fc
    .constantFrom("silence", "reconnect", "poll", "probe", "hide")
    .map((timer) => ({ kind: "timer", timer }) as Event),
);
const history = fc.array(fc.record({ event: happening, passMs: fc.nat(8_000) }), { maxLength: 80 });
const RUNS = { numRuns: 2_000 };

function play(
  steps: readonly { event: Event; passMs: number }[],
  check: (world: World, before: State) => void,
): void {
  const world = new World();
  for (const { event, passMs } of steps) {
    const before = world.state;
    world.pass(passMs);
    world.takeNumbered(event);
    check(world, before);
  }
}

describe("over random histories", () => {
  test("an older version never wins, and what is over stays so but for a newer version", () => {
    fc.assert(
      fc.property(history, (steps) =>
        play(steps, ({ state }, before) => {
          const [was, is] = [before.process, state.process];
          if (was === null) return;
          if (is !== was) expect((is as Process).version).toBeGreaterThan(was.version);
          if (before.phase === "done" && state.phase === "running")
            expect(is !== was || state.streamRun > before.streamRun).toBe(true);
        }),
      ),
      RUNS,
    );
  });

  test("outside of running nothing is left: no stream, no request, no timer", () => {
    fc.assert(
      fc.property(history, (steps) =>
        play(steps, (world) => {
          if (world.state.phase !== "running") world.expectNothingLeft();
        }),
      ),
      RUNS,
    );
  });

  test("while running something is always under way that leads on", () => {
    fc.assert(
      fc.property(history, (steps) =>
        play(steps, (world) => {
          if (world.state.phase === "running") world.expectLeadsOn();
        }),
      ),
      RUNS,
    );
  });

  test("the end is done, and done is the end", () => {
    fc.assert(
      fc.property(history, (steps) =>
        play(steps, ({ state }) => {
          if (connection(state) !== "done") return;
          expect(isTerminal((state.process as Process).status)).toBe(true);
        }),
      ),
      RUNS,
    );
  });

  test("a step changes nothing but its answer", () => {
    fc.assert(
      fc.property(history, (steps) =>
        play(steps, (_, before) => {
          const kept = structuredClone({ ...before, trouble: null, refusal: null });
          step(before, { kind: "stopped" }, { nowMs: 0, chance: 0 }, LIMITS);
          expect({ ...before, trouble: null, refusal: null }).toEqual(kept);
        }),
      ),
      { numRuns: 200 },
    );
  });
});

test("nothing is followed before the start", () => {
  expect(connection(begin(LIMITS))).toBe("reconnecting");
});
