/** Time and chance as the monitor gets them; tests give others. */

export interface Clock {
  /** Milliseconds since some fixed moment; never goes back. */
  nowMs(): number;
  /** A number in [0, 1). */
  chance(): number;
  /** Runs the call once after `ms`; the answer takes that back. */
  later(ms: number, call: () => void): () => void;
}

export const CLOCK: Clock = {
  nowMs: () => performance.now(),
  chance: () => Math.random(),
  later(ms, call) {
    const timer = setTimeout(call, ms);
    return () => clearTimeout(timer);
  },
};

/** The page the monitor runs in, as far as it matters: whether it is seen, and has a network. */
export interface Page {
  isHidden(): boolean;
  /** Calls back when the page is hidden, shown, or back on the network; the answer ends that. */
  watch(call: (change: "hidden" | "visible" | "online") => void): () => void;
}

/** The browser's page; outside a browser, one that is always seen. */
export const PAGE: Page = {
  isHidden: () => typeof document !== "undefined" && document.hidden,
  watch(call) {
    if (typeof document === "undefined") return () => {};
    const turned = () => call(document.hidden ? "hidden" : "visible");
    const online = () => call("online");
    document.addEventListener("visibilitychange", turned);
    window.addEventListener("online", online);
    return () => {
      document.removeEventListener("visibilitychange", turned);
      window.removeEventListener("online", online);
    };
  },
};
