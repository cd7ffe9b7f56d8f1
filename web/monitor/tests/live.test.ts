import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProcessClient } from "../src/client.js";
import { RequestRefused, StreamUnavailable } from "../src/errors.js";
import type { Process } from "../src/process.js";
import type { Source } from "../src/stream.js";
import { Workspace } from "../src/workspace.js";
import { CountingClock, clientOf, Follower, isIncreasing, TestPage } from "./follower.js";
import { Backend } from "./server/backend.js";
import type { FaultProxy, Way } from "./server/fault-proxy.js";
import { until } from "./until.js";

let backend: Backend;
let proxy: FaultProxy;
let client: ProcessClient;
let workspace: Workspace;
const clock = new CountingClock();
const page = new TestPage();
const followers: Follower[] = [];

beforeEach(async () => {
  backend = await Backend.up();
  proxy = backend.proxy;
  client = clientOf(proxy.baseUrl, { clock, page });
  workspace = new Workspace(client, 1);
});

/** Whatever a test did: once the last follower has left, nothing may be left of the monitor. */
afterEach(async () => {
  for (const follower of followers.splice(0)) follower.leave();
  page.turn("visible");
  await until(
    () => [proxy.openStreams, clock.pending, page.watched],
    ([streams, timers, watched]) => streams === 0 && timers === 0 && watched === 0,
  );
  await backend.down();
});

async function sleep(seconds: number, steps = 10): Promise<Process> {
  return await workspace.start({ type: "sleep", input: { seconds, steps } });
}

function follow(id: number, source: Source = client): Follower {
  const follower = new Follower(client.monitor(id, source));
  followers.push(follower);
  return follower;
}

async function done(follower: Follower): Promise<void> {
  await until(
    () => follower.connection,
    (connection) => connection === "done",
  );
}

async function live(follower: Follower): Promise<void> {
  await until(
    () => [follower.connection, follower.status],
    ([connection, status]) => connection === "live" && status !== null,
  );
}

describe("on an open way", () => {
  test("a job is followed to its end over one stream", async () => {
    const { id } = await sleep(0.3);
    const follower = follow(id);
    await done(follower);
    expect(follower.status).toBe("completed");
    expect(follower.monitor.snapshot.progress).toBe(100);
    expect(follower.connections.slice(-2)).toEqual(["live", "done"]);
    expect(isIncreasing(follower.versions)).toBe(true);
    expect(follower.versions.length).toBeGreaterThan(5);
    expect(proxy.streamsAsked(id)).toBe(1);
    expect(proxy.pollsAsked(id)).toBe(0);
  });

  test("a job that has ended is done with one stream", async () => {
    const { id } = await workspace.start({ type: "echo", input: {} });
    await done(follow(id));
    const late = follow(id, clientOf(proxy.baseUrl, { clock, page }));
    await done(late);
    expect(late.status).toBe("completed");
    expect(late.versions.length).toBe(1);
  });

  test("windows that close are renewed with the last version, and nobody notices", async () => {
    proxy.windowMs = 150;
    const { id } = await sleep(1.2, 30);
    const follower = follow(id);
    await done(follower);
    expect(proxy.streamsAsked(id)).toBeGreaterThan(2);
    expect(follower.connections.filter((word) => word !== "reconnecting")).toEqual([
      "live",
      "done",
    ]);
    expect(isIncreasing(follower.versions)).toBe(true);
    const resumed = proxy.asked
      .flatMap(({ headers }) => headers["last-event-id"] ?? [])
      .map(Number);
    expect(resumed.length).toBe(proxy.streamsAsked(id) - 1);
    expect(resumed.every((version) => version > 0)).toBe(true);
  });

  test("an unknown process is an error, and says what the server said", async () => {
    const follower = follow(999_999_999);
    await until(
      () => follower.connection,
      (connection) => connection === "error",
    );
    expect(follower.monitor.snapshot.error).toMatchObject({ status: 404, message: "Not found." });
  });
});

describe("commands", () => {
  test("a cancel is seen at once", async () => {
    const { id } = await sleep(30);
    const follower = follow(id);
    await live(follower);
    await follower.monitor.cancel();
    await until(
      () => follower.status,
      (status) => status === "cancelled",
    );
    await done(follower);
  });

  test("a command's answer is seen by all in the page, without waiting for the stream", async () => {
    proxy.streams = "hanging";
    const { id } = await sleep(30);
    const all = [follow(id), follow(id, workspace)];
    await client.cancel(id);
    expect(all.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  });

  test("a refused cancel is told, and leaves the connection alone", async () => {
    const { id } = await workspace.start({ type: "echo", input: {} });
    const follower = follow(id);
    await done(follower);
    await expect(follower.monitor.cancel()).rejects.toThrow(RequestRefused);
    expect(follower.monitor.snapshot.error).toMatchObject({ status: 409 });
    expect(follower.connection).toBe("done");
  });

  test("a retry is followed to its end", async () => {
    const input = { message: "no luck", times: 1 };
    const { id } = await workspace.start({ type: "fail", input });
    const follower = follow(id);
    await done(follower);
    expect(follower.monitor.snapshot.process?.error_message).toContain("no luck");
    await follower.monitor.retry();
    await until(
      () => follower.status,
      (status) => status === "completed",
    );
    await done(follower);
    expect(follower.monitor.snapshot.process?.attempts).toBe(2);
  });

  test("a draft waits for its review, then goes on", async () => {
    const input = { value: { rows: 3 } };
    const { id } = await workspace.start({ type: "draft", input });
    const follower = follow(id);
    await until(
      () => follower.status,
      (status) => status === "waiting_review",
    );
    expect(follower.connection).toBe("live");
    await client.review(id, { decision: "approve", edits: { rows: 2 } });
    await until(
      () => follower.status,
      (status) => status === "completed",
    );
  });

  test("lists and logs are read", async () => {
    const { id } = await workspace.start({ type: "echo", input: {} });
    await done(follow(id));
    const listed = await workspace.list({ status: "completed", limit: 10 });
    expect(listed.some((process) => process.id === id)).toBe(true);
    const log = await client.events(id);
    expect(log.at(-1)?.status).toBe("completed");
    expect(isIncreasing(log.map((event) => event.id))).toBe(true);
  });
});

describe("on a bad way", () => {
  const ways: Way[] = ["buffered", "hanging", "refused", "html"];
  test.each(ways)("streams that are %s are polled around, and used again later", async (way) => {
    proxy.streams = way;
    const { id } = await sleep(30, 600);
    const follower = follow(id);
    await until(
      () => [follower.connection, follower.versions.length],
      ([connection, versions]) => connection === "polling" && Number(versions) > 3,
    );
    proxy.streams = "open";
    await live(follower);
    expect(isIncreasing(follower.versions)).toBe(true);
    await follower.monitor.cancel();
  });

  test("what is no event stream is not read as one", async () => {
    proxy.streams = "html";
    const { id } = await sleep(30);
    const follower = follow(id);
    await until(
      () => follower.connection,
      (connection) => connection === "polling",
    );
    expect(follower.connections).not.toContain("live");
    expect(follower.seen.some(({ error }) => error instanceof StreamUnavailable)).toBe(true);
  });

  test("a poll without an answer is given up by the last who leaves", async () => {
    proxy.streams = "refused";
    const { id } = await sleep(30);
    proxy.isMute = true;
    const follower = follow(id);
    await until(
      () => proxy.unanswered,
      (requests) => requests === 1,
    );
    follower.leave();
    await until(
      () => proxy.unanswered,
      (requests) => requests === 0,
    );
  });

  test("a poll that finds nothing new costs a 304", async () => {
    proxy.streams = "refused";
    const { id } = await workspace.start({ type: "draft", input: { value: 1 } });
    const follower = follow(id);
    await until(
      () => follower.status,
      (status) => status === "waiting_review",
    );
    const version = follower.monitor.snapshot.process?.version;
    const from = proxy.asked.length;
    await until(
      () => proxy.asked.length,
      (asked) => asked > from + 3,
    );
    const etags = proxy.asked.slice(from).flatMap(({ headers }) => headers["if-none-match"] ?? []);
    expect(etags).toContain(`"v${version}"`);
    expect(follower.versions.at(-1)).toBe(version);
  });

  test("a server that goes down and comes back is found again", async () => {
    const { id } = await sleep(30, 600);
    const follower = follow(id);
    await live(follower);
    await proxy.down();
    await until(
      () => follower.connection,
      (connection) => connection === "reconnecting",
    );
    await until(
      () => follower.monitor.snapshot.error,
      (error) => error !== null,
    );
    const before = follower.versions.length;
    await proxy.up();
    await live(follower);
    await until(
      () => follower.versions.length,
      (versions) => versions > before,
    );
    expect(follower.monitor.snapshot.error).toBe(null);
    expect(isIncreasing(follower.versions)).toBe(true);
    await follower.monitor.cancel();
  });

  test("random faults on the way never lose the end nor bring back the past", async () => {
    const { id } = await sleep(3, 100);
    const follower = follow(id);
    const faults: Way[] = ["open", "buffered", "open", "hanging", "open", "refused"];
    for (let n = 0; follower.connection !== "done"; n += 1) {
      proxy.streams = faults[n % faults.length] as Way;
      proxy.windowMs = n % 3 === 0 ? 100 : null;
      if (n % 4 === 3) {
        await proxy.down();
        await proxy.up();
      }
      const asked = proxy.asked.length;
      await until(
        () => [proxy.asked.length, follower.connection],
        ([now, connection]) => Number(now) > asked + 2 || connection === "done",
      );
    }
    expect(follower.status).toBe("completed");
    expect(isIncreasing(follower.versions)).toBe(true);
  });
});

describe("with tokens that expire", () => {
  test("a refused token is renewed once for all who were refused, and nothing is missed", async () => {
    proxy.tokens = new Set(["first"]);
    proxy.windowMs = 150;
    let current = "first";
    const renewals: string[] = [];
    const token = async (refused?: string) => {
      if (refused !== undefined) {
        renewals.push(refused);
        await Promise.resolve();
        current = "second";
      }
      return current;
    };
    client = clientOf(proxy.baseUrl, { clock, page, token });
    workspace = new Workspace(client, 1);
    const jobs = await Promise.all([sleep(1.5, 30), sleep(1.5, 30)]);
    const all = jobs.map(({ id }) => follow(id));
    await Promise.all(all.map(live));
    proxy.tokens = new Set(["second"]);
    await Promise.all(all.map(done));
    expect(renewals).toEqual(["first"]);
    for (const follower of all) {
      expect(follower.status).toBe("completed");
      expect(follower.connections).not.toContain("error");
    }
  });

  test("without a new token it is an error, until the user has signed in again", async () => {
    let current: string | null = "first";
    const token = (refused?: string) => (refused === current ? null : current);
    client = clientOf(proxy.baseUrl, { clock, page, token });
    workspace = new Workspace(client, 1);
    const { id } = await sleep(30);
    const follower = follow(id);
    await live(follower);
    proxy.tokens = new Set(["second"]);
    await proxy.down();
    await proxy.up();
    await until(
      () => follower.connection,
      (connection) => connection === "error",
    );
    const { error } = follower.monitor.snapshot;
    expect(error).toMatchObject({ status: 401, message: "Unauthenticated." });
    current = "second";
    client.reconnect();
    await live(follower);
    await follower.monitor.cancel();
  });
});

describe("in a page", () => {
  test("a hidden tab asks nothing, and catches up when it is shown", async () => {
    const { id } = await sleep(30, 600);
    const follower = follow(id);
    await live(follower);
    page.turn("hidden");
    await until(
      () => [proxy.openStreams, clock.pending],
      ([a, b]) => a === 0 && b === 0,
    );
    const before = proxy.asked.length;
    const version = follower.versions.at(-1) as number;
    for (let changed = null; changed === null; ) changed = await client.get(id, version);
    const ours = proxy.asked.slice(before).filter(({ line }) => line.endsWith("/stream"));
    expect(ours).toEqual([]);
    page.turn("visible");
    await live(follower);
    const resumed = proxy.asked.findLast(({ line }) => line.endsWith("/stream"));
    expect(Number(resumed?.headers["last-event-id"])).toBe(version);
    await until(
      () => follower.versions.at(-1),
      (now) => Number(now) > version,
    );
    await client.cancel(id);
  });

  test("all who follow a process share its stream, which ends with the last", async () => {
    const { id } = await sleep(30);
    const all = [follow(id), follow(id), follow(id)];
    await Promise.all(all.map(live));
    expect(proxy.streamsAsked(id)).toBe(1);
    all[0]?.leave();
    all[1]?.leave();
    expect(proxy.openStreams).toBe(1);
    all[2]?.leave();
    await until(
      () => proxy.openStreams,
      (streams) => streams === 0,
    );
    expect(client.followed(id)).toBe(null);
  });

  test("one who leaves and comes back at once costs nothing", async () => {
    const { id } = await sleep(30);
    const follower = follow(id);
    follower.leave();
    const again = follow(id);
    await live(again);
    expect(proxy.streamsAsked(id)).toBe(1);
  });

  test("more processes than streams are all followed, some by polls", async () => {
    const jobs = await Promise.all([1, 2, 3, 4, 5, 6].map(() => sleep(1, 20)));
    const all = jobs.map(({ id }) => follow(id));
    await until(
      () => all.map(({ connection }) => connection).toSorted(),
      (words) => words.join() === "live,live,live,live,polling,polling",
    );
    await Promise.all(all.map(done));
    expect(all.every(({ status }) => status === "completed")).toBe(true);
  });

  test("a workspace's one stream serves all its processes", async () => {
    proxy.windowMs = 300;
    const jobs = await Promise.all(Array.from({ length: 12 }, () => sleep(1, 20)));
    const all = jobs.map(({ id }) => follow(id, workspace));
    await Promise.all(all.map(done));
    expect(all.every(({ status }) => status === "completed")).toBe(true);
    expect(all.every(({ versions }) => isIncreasing(versions))).toBe(true);
    for (const { id } of jobs) expect(proxy.streamsAsked(id)).toBe(0);
    expect(proxy.streamsAsked()).toBeLessThan(12);
  });

  test("by a workspace's stream a process that does not change is seen too, however often", async () => {
    const { id } = await workspace.start({ type: "draft", input: { value: 1 } });
    const first = follow(id);
    await until(
      () => first.status,
      (status) => status === "waiting_review",
    );
    for (const _ of ["once", "again"]) {
      const follower = follow(id, workspace);
      await live(follower);
      expect(follower.status).toBe("waiting_review");
      follower.leave();
      await until(
        () => proxy.openStreams,
        (streams) => streams === 1,
      );
    }
  });
});
