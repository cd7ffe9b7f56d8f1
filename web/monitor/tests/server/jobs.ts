import {
  isTerminal,
  type Json,
  type Process,
  type ProcessEvent,
  type Status,
} from "../../src/process.js";
import { aProcess } from "../a-process.js";

export type Watch = (process: Process) => void;

/** The job types that ship for trying, on a server that lives inside a test. */
export class Jobs {
  readonly processes = new Map<number, Process>();
  readonly #inputs = new Map<number, Record<string, unknown>>();
  readonly #events = new Map<number, ProcessEvent[]>();
  readonly #watches = new Set<Watch>();
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #started = new Map<string, number>();

  watch(watch: Watch): () => void {
    this.#watches.add(watch);
    return () => this.#watches.delete(watch);
  }

  get watched(): number {
    return this.#watches.size;
  }

  events(id: number): readonly ProcessEvent[] {
    return this.#events.get(id) ?? [];
  }

  start(type: string, input: Record<string, unknown>, requestId?: string): Process {
    const former = requestId === undefined ? undefined : this.#started.get(requestId);
    if (former !== undefined) return this.processes.get(former) as Process;
    const id = this.processes.size + 1;
    if (requestId !== undefined) this.#started.set(requestId, id);
    this.#inputs.set(id, input);
    const now = new Date().toISOString();
    const fresh = { id, type, attempts: 1, created_at: now, version: 0 };
    this.processes.set(id, aProcess(fresh));
    const process = this.change(id, { status: "pending" });
    this.#work(id);
    return process;
  }

  /** Any change of a process: the next version, told to all who watch. */
  change(id: number, changed: Partial<Process>): Process {
    const before = this.processes.get(id) as Process;
    const updated_at = new Date().toISOString();
    const process = { ...before, ...changed, updated_at, version: before.version + 1 };
    this.processes.set(id, process);
    const events = this.#events.get(id) ?? [];
    const { status, current_step: message, version } = process;
    events.push({ id: version, status, message, created_at: updated_at });
    this.#events.set(id, events);
    for (const watch of [...this.#watches]) watch(process);
    return process;
  }

  retry(id: number): Process {
    const { attempts } = this.processes.get(id) as Process;
    const again = { attempts: attempts + 1, error_message: null, finished_at: null, progress: 0 };
    const process = this.change(id, { status: "pending", ...again });
    this.#work(id);
    return process;
  }

  end(id: number, status: Status, changed: Partial<Process> = {}): Process {
    return this.change(id, { status, finished_at: new Date().toISOString(), ...changed });
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#watches.clear();
  }

  #work(id: number): void {
    const { type, attempts } = this.processes.get(id) as Process;
    const input = this.#inputs.get(id) ?? {};
    this.#later(10, id, () => {
      this.change(id, { status: "running", started_at: new Date().toISOString() });
      if (type === "echo") this.end(id, "completed", { progress: 100, result_summary: {} });
      else if (type === "draft")
        this.change(id, {
          status: "waiting_review",
          metadata: { draft: (input.value ?? null) as Json },
        });
      else if (type === "fail") this.#fail(id, attempts, input);
      else this.#sleep(id, Number(input.seconds) * 1_000, Number(input.steps ?? 10), 0);
    });
  }

  #fail(id: number, attempts: number, input: Record<string, unknown>): void {
    const times = Number(input.times ?? -1);
    if (times >= 0 && attempts > times) this.end(id, "completed", { progress: 100 });
    else this.end(id, "failed", { error_message: String(input.message) });
  }

  #sleep(id: number, ms: number, steps: number, done: number): void {
    if (done === steps) {
      this.end(id, "completed", { progress: 100 });
      return;
    }
    this.#later(ms / steps, id, () => {
      const progress = Math.floor((100 * (done + 1)) / steps);
      this.change(id, { progress, current_step: `step ${done + 1}` });
      this.#sleep(id, ms, steps, done + 1);
    });
  }

  #later(ms: number, id: number, call: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      if (!isTerminal((this.processes.get(id) as Process).status)) call();
    }, ms);
    this.#timers.add(timer);
  }
}
