"use client";

import {
  type CSSProperties,
  type ReactNode,
  type RefObject,
  useEffect,
  useId,
  useRef,
  useState,
} from "react";
import { canCancel, canRetry, isTerminal, type Process, type Status } from "../process.js";
import type { JobTrayClasses, JobTrayWords } from "./job-tray-words.js";
import {
  type ProcessMonitored,
  type UseProcessMonitorOptions,
  useProcessMonitor,
} from "./use-process-monitor.js";

export interface JobProps {
  readonly id: number;
  readonly options: UseProcessMonitorOptions;
  readonly words: JobTrayWords;
  readonly classes: JobTrayClasses;
  readonly renderReview: ((process: Process) => ReactNode) | undefined;
  readonly onDismiss: ((id: number) => void) | undefined;
  readonly onStatus: (id: number, status: Status, name: string) => void;
}

/** One job of the tray. */
export function Job(props: JobProps) {
  const { id, options, words, classes, onStatus } = props;
  const monitored = useProcessMonitor(id, options);
  const { process, status, progress, connection } = monitored;
  const name = process === null ? `${id}` : words.name(process);
  const nameId = useId();
  const row = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (status !== null) onStatus(id, status, name);
  }, [id, status, name, onStatus]);
  const style = { "--job-progress": `${progress ?? 0}%` } as CSSProperties;
  return (
    <li
      ref={row}
      className={classes.job}
      aria-labelledby={nameId}
      tabIndex={-1}
      data-job={id}
      data-status={status ?? "loading"}
      data-connection={connection}
      style={style}
    >
      <span id={nameId} className={classes.name}>
        {name}
      </span>
      <span className={classes.status}>
        {status === null ? words.loading : words.statuses[status]}
      </span>
      <Progress labelledBy={nameId} monitored={monitored} className={classes.progress} />
      <Notes monitored={monitored} words={words} classes={classes} />
      <Actions {...props} monitored={monitored} name={name} row={row} />
      {process !== null && status === "waiting_review" && props.renderReview && (
        <div className={classes.review}>{props.renderReview(process)}</div>
      )}
    </li>
  );
}

interface ProgressProps {
  readonly monitored: ProcessMonitored;
  readonly labelledBy: string;
  readonly className: string;
}

function Progress({ monitored, labelledBy, className }: ProgressProps) {
  const { status, progress } = monitored;
  if (status === null || isTerminal(status)) return null;
  const value = progress === null ? {} : { value: progress };
  return <progress className={className} aria-labelledby={labelledBy} max={100} {...value} />;
}

interface NotesProps {
  readonly monitored: ProcessMonitored;
  readonly words: JobTrayWords;
  readonly classes: JobTrayClasses;
}

/** What a person should know beyond the status: the step, the connection, what went wrong. */
function Notes({ monitored, words, classes }: NotesProps) {
  const { process, status, connection, error } = monitored;
  const isOver = status !== null && isTerminal(status);
  const step = isOver ? null : process?.current_step;
  const broken = words.connections[connection];
  const failure = status === "failed" ? process?.error_message : null;
  const refusal = connection === "error" || isOver || connection === "live" ? error : null;
  return (
    <>
      {step && <span className={classes.note}>{step}</span>}
      {broken && <span className={classes.note}>{broken}</span>}
      {failure && <span className={classes.error}>{failure}</span>}
      {refusal && <span className={classes.error}>{refusal.message}</span>}
    </>
  );
}

interface ActionsProps extends JobProps {
  readonly monitored: ProcessMonitored;
  readonly name: string;
  readonly row: RefObject<HTMLLIElement | null>;
}

function Actions({ id, monitored, words, classes, name, row, onDismiss }: ActionsProps) {
  const { status, cancel, retry } = monitored;
  const [isBusy, setBusy] = useState(false);
  const hadFocus = useRef(false);
  useKeptFocus(row, hadFocus, status);
  if (status === null) return null;
  const act = async (command: () => Promise<boolean>) => {
    hadFocus.current = true;
    setBusy(true);
    await command();
    setBusy(false);
  };
  const button = (verb: string, call: () => void) => (
    <button
      type="button"
      className={classes.button}
      aria-label={words.action(verb, name)}
      aria-disabled={isBusy}
      onClick={() => isBusy || call()}
    >
      {verb}
    </button>
  );
  return (
    <span className={classes.actions}>
      {canCancel(status) && button(words.cancel, () => void act(cancel))}
      {canRetry(status) && button(words.retry, () => void act(retry))}
      {isTerminal(status) && onDismiss && button(words.dismiss, () => onDismiss(id))}
    </span>
  );
}

/** A button that goes with the status it belonged to leaves the focus on its job. */
function useKeptFocus(
  row: RefObject<HTMLLIElement | null>,
  hadFocus: RefObject<boolean>,
  status: Status | null,
): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the status is what takes buttons away
  useEffect(() => {
    if (!hadFocus.current) return;
    hadFocus.current = false;
    const { activeElement, body } = document;
    if (activeElement === null || activeElement === body) row.current?.focus();
  }, [status]);
}
