"use client";

import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { FollowOptions, ProcessClient } from "../client.js";
import type { Connection } from "../machine.js";
import { NOTHING_YET, type ProcessMonitor, type Snapshot } from "../monitor.js";
import type { Process, Status } from "../process.js";
import { type ClientChoice, useProcessClient } from "./client-context.js";

export interface UseProcessMonitorOptions extends ClientChoice, FollowOptions {}

export interface ProcessMonitored {
  readonly process: Process | null;
  readonly status: Status | null;
  /** In percent. */
  readonly progress: number | null;
  readonly connection: Connection;
  /** What is wrong: with the connection, or why the last command was refused. */
  readonly error: Error | null;
  /** True when the server agreed; when not, `error` says why. Never rejects. */
  readonly cancel: () => Promise<boolean>;
  readonly retry: () => Promise<boolean>;
}

const NOTHING_TO_FOLLOW: Snapshot = {
  process: null,
  status: null,
  progress: null,
  connection: "done",
  error: null,
};

/**
 * Follows the process for as long as the component is mounted; null follows nothing. Components
 * that follow the same process by the same client share one stream. Raises ClientMissing.
 */
export function useProcessMonitor(
  id: number | null,
  options: UseProcessMonitorOptions = {},
): ProcessMonitored {
  const client = useProcessClient(options);
  const { workspaceId } = options;
  const followed = useMemo(
    () => (id === null ? null : new Followed(client, id, { workspaceId })),
    [client, id, workspaceId],
  );
  const subscribe = useCallback(
    (changed: () => void) => followed?.subscribe(changed) ?? (() => {}),
    [followed],
  );
  const read = () => followed?.snapshot ?? NOTHING_TO_FOLLOW;
  const snapshot = useSyncExternalStore(subscribe, read, read);
  const commands = useMemo(
    () => ({
      cancel: () => agreed(followed?.monitor?.cancel()),
      retry: () => agreed(followed?.monitor?.retry()),
    }),
    [followed],
  );
  return useMemo(() => ({ ...snapshot, ...commands }), [snapshot, commands]);
}

/** A process as one component follows it: by the shared monitor, from the subscription on. */
class Followed {
  readonly #client: ProcessClient;
  readonly #id: number;
  readonly #options: FollowOptions;
  monitor: ProcessMonitor | null;

  constructor(client: ProcessClient, id: number, options: FollowOptions) {
    this.#client = client;
    this.#id = id;
    this.#options = options;
    this.monitor = client.followed(id, options);
  }

  get snapshot(): Snapshot {
    return this.monitor?.snapshot ?? NOTHING_YET;
  }

  subscribe(changed: () => void): () => void {
    this.monitor = this.#client.monitor(this.#id, this.#options);
    return this.monitor.subscribe(changed);
  }
}

async function agreed(command: Promise<Process> | undefined): Promise<boolean> {
  return command === undefined
    ? false
    : command.then(
        () => true,
        () => false,
      );
}
