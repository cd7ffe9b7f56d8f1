"use client";

import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { ProcessClient } from "../client.js";
import { NOTHING_YET, type ProcessMonitor, type Snapshot } from "../monitor.js";
import type { Process, Status } from "../process.js";
import type { Connection } from "../state.js";
import type { Source } from "../stream.js";
import type { Workspace } from "../workspace.js";
import { type ClientChoice, useProcessClient } from "./client-context.js";

export interface UseProcessMonitorOptions extends ClientChoice {
  /** Follow by the one stream of this workspace instead of a stream for each process. */
  readonly workspace?: Workspace | undefined;
}

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
  const { workspace } = options;
  const client = useProcessClient(workspace ?? options);
  const source = workspace ?? client;
  const followed = useMemo(
    () => (id === null ? null : new Followed(client, id, source)),
    [client, id, source],
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
  readonly #source: Source;
  monitor: ProcessMonitor | null;

  constructor(client: ProcessClient, id: number, source: Source) {
    this.#client = client;
    this.#id = id;
    this.#source = source;
    this.monitor = client.followed(id, source);
  }

  get snapshot(): Snapshot {
    return this.monitor?.snapshot ?? NOTHING_YET;
  }

  subscribe(changed: () => void): () => void {
    this.monitor = this.#client.monitor(this.#id, this.#source);
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
