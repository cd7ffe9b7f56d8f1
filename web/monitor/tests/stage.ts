import { afterEach, beforeEach } from "vitest";
import type { ClientOptions, ProcessClient } from "../src/client.js";
import type { Process } from "../src/process.js";
import type { Source } from "../src/stream.js";
import { Workspace } from "../src/workspace.js";
import { CountingClock, clientOf, Follower, TestPage } from "./follower.js";
import { Backend } from "./server/backend.js";
import type { FaultProxy } from "./server/fault-proxy.js";
import { until } from "./until.js";

/** What a test follows jobs with: a server, the way to it, a client, a page, and followers. */
export class Stage {
  readonly clock = new CountingClock();
  readonly page = new TestPage();
  readonly followers: Follower[] = [];
  client: ProcessClient;
  workspace: Workspace;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.client = this.clientWith({});
    this.workspace = new Workspace(this.client, 1);
  }

  get proxy(): FaultProxy {
    return this.#backend.proxy;
  }

  clientWith(options: Partial<ClientOptions>): ProcessClient {
    const { clock, page } = this;
    return clientOf(this.proxy.baseUrl, { clock, page, ...options });
  }

  /** From now on jobs are started and followed with this token. */
  signIn(token: ClientOptions["token"]): void {
    this.client = this.clientWith({ token });
    this.workspace = new Workspace(this.client, 1);
  }

  async sleep(seconds: number, steps = 10): Promise<Process> {
    return await this.workspace.start({ type: "sleep", input: { seconds, steps } });
  }

  follow(id: number, source: Source = this.client): Follower {
    const follower = new Follower(this.client.monitor(id, source));
    this.followers.push(follower);
    return follower;
  }

  /** Whatever a test did: once the last follower has left, nothing may be left of the monitor. */
  async clear(): Promise<void> {
    for (const follower of this.followers.splice(0)) follower.leave();
    await until(
      () => [this.proxy.openStreams, this.clock.pending, this.page.watched],
      (left) => left.every((count) => count === 0),
    );
    await this.#backend.down();
  }
}

/** A stage for each test of the file. */
export function setStage(): () => Stage {
  let stage: Stage;
  beforeEach(async () => {
    stage = new Stage(await Backend.up());
  });
  afterEach(() => stage.clear());
  return () => stage;
}

export async function done(follower: Follower): Promise<void> {
  await until(
    () => follower.connection,
    (connection) => connection === "done",
  );
}

export async function live(follower: Follower): Promise<void> {
  await until(
    () => [follower.connection, follower.status],
    ([connection, status]) => connection === "live" && status !== null,
  );
}
