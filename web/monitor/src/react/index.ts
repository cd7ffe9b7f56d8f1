"use client";

export {
  type ClientChoice,
  ClientMissing,
  ProcessClientProvider,
  useProcessClient,
} from "./client-context.js";
export {
  type ProcessMonitored,
  type UseProcessMonitorOptions,
  useProcessMonitor,
} from "./use-process-monitor.js";
