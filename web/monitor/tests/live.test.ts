import { describe, expect, test } from "vitest";
import { RequestRefused } from "../src/errors.js";
import { isIncreasing } from "./follower.js";
import { done, live, setStage } from "./stage.js";
import { until } from "./until.js";

const onStage = setStage();

describe("on an open way", () => {
  test("a job is followed to its end over one stream", async () => {
    const stage = onStage();
    const { proxy } = stage;
    const { id } = await stage.sleep(1.5);
    const follower = stage.follow(id);
    await done(follower);
    expect(follower.status).toBe("completed");
    expect(follower.monitor.snapshot.progress).toBe(100);
    expect(follower.connections.slice(-2)).toEqual(["live", "done"]);
    expect(isIncreasing(follower.versions)).toBe(true);
    // A worker tells its progress every 200 ms at most.
    expect(follower.versions.length).toBeGreaterThan(5);
    expect(proxy.streamsAsked(id)).toBe(1);
    expect(proxy.pollsAsked(id)).toBe(0);
  });

  test("a job that has ended is done with one stream", async () => {
    const stage = onStage();
    const { workspace } = stage;
    const { id } = await workspace.start({ type: "echo", input: {} });
    await done(stage.follow(id));
    const late = stage.follow(id, stage.clientWith({}));
    await done(late);
    expect(late.status).toBe("completed");
    expect(late.versions.length).toBe(1);
  });

  test("windows that close are renewed with the last version, and nobody notices", async () => {
    const stage = onStage();
    const { proxy } = stage;
    proxy.windowMs = 150;
    const { id } = await stage.sleep(1.2, 30);
    const follower = stage.follow(id);
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
    const stage = onStage();
    const follower = stage.follow(999_999_999);
    await until(
      () => follower.connection,
      (connection) => connection === "error",
    );
    expect(follower.monitor.snapshot.error).toMatchObject({ status: 404, message: "Not found." });
  });
});

describe("commands", () => {
  test("a cancel is seen at once", async () => {
    const stage = onStage();
    const { id } = await stage.sleep(30);
    const follower = stage.follow(id);
    await live(follower);
    await follower.monitor.cancel();
    await until(
      () => follower.status,
      (status) => status === "cancelled",
    );
    await done(follower);
  });

  test("a command's answer is seen by all in the page, without waiting for the stream", async () => {
    const stage = onStage();
    const { proxy, workspace, client } = stage;
    proxy.streams = "hanging";
    const { id } = await stage.sleep(30);
    const all = [stage.follow(id), stage.follow(id, workspace)];
    await client.cancel(id);
    expect(all.map(({ status }) => status)).toEqual(["cancelled", "cancelled"]);
  });

  test("a refused cancel is told, and leaves the connection alone", async () => {
    const stage = onStage();
    const { workspace } = stage;
    const { id } = await workspace.start({ type: "echo", input: {} });
    const follower = stage.follow(id);
    await done(follower);
    await expect(follower.monitor.cancel()).rejects.toThrow(RequestRefused);
    expect(follower.monitor.snapshot.error).toMatchObject({ status: 409 });
    expect(follower.connection).toBe("done");
  });

  test("a retry is followed to its end", async () => {
    const stage = onStage();
    const { workspace } = stage;
    const input = { message: "no luck", times: 1 };
    const { id } = await workspace.start({ type: "fail", input });
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { workspace, client } = stage;
    const input = { value: { rows: 3 } };
    const { id } = await workspace.start({ type: "draft", input });
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { workspace, client } = stage;
    const { id } = await workspace.start({ type: "echo", input: {} });
    await done(stage.follow(id));
    const listed = await workspace.list({ status: "completed", limit: 10 });
    expect(listed.some((process) => process.id === id)).toBe(true);
    const log = await client.events(id);
    expect(log.at(-1)?.status).toBe("completed");
    expect(isIncreasing(log.map((event) => event.id))).toBe(true);
  });
});

describe("in a page", () => {
  test("a hidden tab asks nothing, and catches up when it is shown", async () => {
    const stage = onStage();
    const { proxy, page, clock, client } = stage;
    const { id } = await stage.sleep(30, 600);
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { proxy, client } = stage;
    const { id } = await stage.sleep(30);
    const all = [stage.follow(id), stage.follow(id), stage.follow(id)];
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
    const stage = onStage();
    const { proxy } = stage;
    const { id } = await stage.sleep(30);
    const follower = stage.follow(id);
    follower.leave();
    const again = stage.follow(id);
    await live(again);
    expect(proxy.streamsAsked(id)).toBe(1);
  });

  test("more processes than streams are all followed, some by polls", async () => {
    const stage = onStage();
    const jobs = await Promise.all([1, 2, 3, 4, 5, 6].map(() => stage.sleep(1, 20)));
    const all = jobs.map(({ id }) => stage.follow(id));
    await until(
      () => all.map(({ connection }) => connection).toSorted(),
      (words) => words.join() === "live,live,live,live,polling,polling",
    );
    await Promise.all(all.map(done));
    expect(all.every(({ status }) => status === "completed")).toBe(true);
  });

  test("a workspace's one stream serves all its processes", async () => {
    const stage = onStage();
    const { proxy, workspace } = stage;
    proxy.windowMs = 300;
    const jobs = await Promise.all(Array.from({ length: 12 }, () => stage.sleep(1, 20)));
    const all = jobs.map(({ id }) => stage.follow(id, workspace));
    await Promise.all(all.map(done));
    expect(all.every(({ status }) => status === "completed")).toBe(true);
    expect(all.every(({ versions }) => isIncreasing(versions))).toBe(true);
    for (const { id } of jobs) expect(proxy.streamsAsked(id)).toBe(0);
    expect(proxy.streamsAsked()).toBeLessThan(12);
  });

  test("by a workspace's stream a process that does not change is seen too, however often", async () => {
    const stage = onStage();
    const { proxy, workspace } = stage;
    const { id } = await workspace.start({ type: "draft", input: { value: 1 } });
    const first = stage.follow(id);
    await until(
      () => first.status,
      (status) => status === "waiting_review",
    );
    for (const _ of ["once", "again"]) {
      const follower = stage.follow(id, workspace);
      await live(follower);
      expect(follower.status).toBe("waiting_review");
      expect(follower.connections).not.toContain("polling");
      expect(proxy.openStreams).toBe(2);
      follower.leave();
      await until(
        () => proxy.openStreams,
        (streams) => streams === 1,
      );
    }
  });
});
