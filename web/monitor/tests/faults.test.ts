import { describe, expect, test } from "vitest";
import { StreamUnavailable } from "../src/errors.js";
import { isIncreasing } from "./follower.js";
import type { Way } from "./server/fault-proxy.js";
import { done, live, setStage } from "./stage.js";
import { until } from "./until.js";

const onStage = setStage();

describe("on a bad way", () => {
  const ways: Way[] = ["buffered", "hanging", "refused", "html"];
  test.each(ways)("streams that are %s are polled around, and used again later", async (way) => {
    const stage = onStage();
    const { proxy } = stage;
    proxy.streams = way;
    const { id } = await stage.sleep(30, 600);
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { proxy } = stage;
    proxy.streams = "html";
    const { id } = await stage.sleep(30);
    const follower = stage.follow(id);
    await until(
      () => follower.connection,
      (connection) => connection === "polling",
    );
    expect(follower.connections).not.toContain("live");
    expect(follower.seen.some(({ error }) => error instanceof StreamUnavailable)).toBe(true);
  });

  test("a poll without an answer is given up by the last who leaves", async () => {
    const stage = onStage();
    const { proxy } = stage;
    proxy.streams = "refused";
    const { id } = await stage.sleep(30);
    proxy.isMute = true;
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { proxy, workspace } = stage;
    proxy.streams = "refused";
    const { id } = await workspace.start({ type: "draft", input: { value: 1 } });
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { proxy } = stage;
    const { id } = await stage.sleep(30, 600);
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { proxy } = stage;
    const { id } = await stage.sleep(3, 100);
    const follower = stage.follow(id);
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
    const stage = onStage();
    const { proxy } = stage;
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
    stage.signIn(token);
    const jobs = await Promise.all([stage.sleep(1.5, 30), stage.sleep(1.5, 30)]);
    const all = jobs.map(({ id }) => stage.follow(id));
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
    const stage = onStage();
    const { proxy } = stage;
    let current: string | null = "first";
    const token = (refused?: string) => (refused === current ? null : current);
    stage.signIn(token);
    const { id } = await stage.sleep(30);
    const follower = stage.follow(id);
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
    stage.client.reconnect();
    await live(follower);
    await follower.monitor.cancel();
  });
});
