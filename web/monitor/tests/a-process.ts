import type { Process } from "../src/process.js";

/** A process as the server tells it, with what the test says of it. */
export function aProcess(told: Partial<Process> = {}): Process {
  return {
    id: 1,
    type: "sleep",
    status: "running",
    progress: 0,
    created_at: "2030-01-01T00:00:00.000Z",
    updated_at: "2030-01-01T00:00:00.000Z",
    metadata: {},
    result_summary: null,
    workspace_id: 1,
    user_id: 1,
    current_step: null,
    error_message: null,
    attempts: 1,
    started_at: null,
    finished_at: null,
    process_id: "00000000-0000-7000-8000-000000000001",
    version: 1,
    ...told,
  };
}
