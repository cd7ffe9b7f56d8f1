"use client";

import { type KeyboardEvent, type ReactNode, useCallback, useId, useRef, useState } from "react";
import { isTerminal, type Process, type Status } from "../process.js";
import { Job } from "./job-tray-job.js";
import { CLASSES, type JobTrayClasses, type JobTrayWords, WORDS } from "./job-tray-words.js";
import type { UseProcessMonitorOptions } from "./use-process-monitor.js";

export { CLASSES, type JobTrayClasses, type JobTrayWords, WORDS };

export interface JobTrayProps extends UseProcessMonitorOptions {
  /** The jobs to show, in this order. */
  readonly ids: readonly number[];
  readonly words?: Partial<JobTrayWords> | undefined;
  readonly classNames?: Partial<JobTrayClasses> | undefined;
  /** What a person needs to decide, shown inside a job that waits for review. */
  readonly renderReview?: ((process: Process) => ReactNode) | undefined;
  /** Jobs that are over get a button that calls this; take the id out of `ids` then. */
  readonly onDismiss?: ((id: number) => void) | undefined;
  readonly defaultOpen?: boolean | undefined;
}

/**
 * Jobs with their progress, and buttons to cancel and retry them. It brings no style of its own:
 * parts have classes, `data-status` and `--job-progress`. Arrow keys, Home and End move between
 * the jobs; Escape closes the list. Raises ClientMissing as the hook does.
 */
export function JobTray(props: JobTrayProps) {
  const { ids, renderReview, onDismiss, defaultOpen = true, ...options } = props;
  const words = { ...WORDS, ...props.words };
  const classes = { ...CLASSES, ...props.classNames };
  const [isOpen, setOpen] = useState(defaultOpen);
  const { statuses, said, onStatus } = useStatuses(words);
  const listId = useId();
  const toggle = useRef<HTMLButtonElement>(null);
  const open = ids.filter((id) => !isOver(statuses.get(id)));
  const closeByKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !isOpen || event.defaultPrevented) return;
    setOpen(false);
    toggle.current?.focus();
  };
  const job = { options, words, classes, renderReview, onDismiss, onStatus };
  return (
    <section className={classes.tray} aria-label={words.title} data-open={isOpen}>
      <button
        ref={toggle}
        type="button"
        className={classes.toggle}
        aria-expanded={isOpen}
        aria-controls={listId}
        onClick={() => setOpen(!isOpen)}
      >
        {words.title} <span className={classes.count}>{words.count(open.length, ids.length)}</span>
      </button>
      <ul
        id={listId}
        className={classes.list}
        hidden={!isOpen}
        onKeyDown={(event) => {
          moveByKey(event);
          closeByKey(event);
        }}
      >
        {ids.map((id) => (
          <Job key={id} id={id} {...job} />
        ))}
      </ul>
      <p role="status" aria-live="polite" style={UNSEEN}>
        {said}
      </p>
    </section>
  );
}

function isOver(status: Status | undefined): boolean {
  return status !== undefined && isTerminal(status);
}

/** The last status of each job, and the last change in words; what a job starts with is not said. */
function useStatuses(words: JobTrayWords) {
  const [statuses, setStatuses] = useState<ReadonlyMap<number, Status>>(new Map());
  const [said, setSaid] = useState("");
  const known = useRef(new Map<number, Status>());
  const speak = useRef(words);
  speak.current = words;
  const onStatus = useCallback((id: number, status: Status, name: string) => {
    const before = known.current.get(id);
    if (before === status) return;
    known.current.set(id, status);
    setStatuses(new Map(known.current));
    const { announce, statuses } = speak.current;
    if (before !== undefined) setSaid(announce(name, statuses[status]));
  }, []);
  return { statuses, said, onStatus };
}

/** Moves the focus between jobs; keys pressed in a field of a review are its own. */
function moveByKey(event: KeyboardEvent<HTMLUListElement>): void {
  const { target, currentTarget } = event;
  if (!(target instanceof Element) || !target.matches("li, button")) return;
  const rows = [...currentTarget.querySelectorAll<HTMLElement>(":scope > li")];
  const now = rows.findIndex((row) => row.contains(target));
  const next = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  rows[Math.min(Math.max(next, 0), rows.length - 1)]?.focus();
}

/** Read out, not shown. */
const UNSEEN = {
  position: "absolute",
  width: 1,
  height: 1,
  margin: -1,
  padding: 0,
  overflow: "hidden",
  clipPath: "inset(50%)",
  whiteSpace: "nowrap",
  border: 0,
} as const;
