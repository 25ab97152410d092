/** How a lost connection is sought again. */
export interface RetryOptions {
  /** The first wait, in milliseconds, unless the server asks for another with `retry:`. */
  baseMs?: number;
  /** The longest wait, in milliseconds. */
  capMs?: number;
  /** Tries in succession that bring nothing, before it is given up. */
  attempts?: number;
  /** Tries before the server has answered at all. */
  startAttempts?: number;
}

/** Waits that grow: each a random share of a bound that doubles, so that many readers do not come back at once. */
export class Backoff {
  /** What the server asks for, in milliseconds. */
  serverMs: number | undefined;
  private tries = 0;

  constructor(
    private readonly options: Required<RetryOptions>,
    private readonly random: () => number = Math.random,
  ) {}

  /** Takes note that something came: the next wait is short again. */
  reset(): void {
    this.tries = 0;
  }

  /** Returns how long to wait before the next try, or nothing when there were as many as there may be. */
  next(started: boolean): number | undefined {
    const { baseMs, capMs, attempts, startAttempts } = this.options;
    if (this.tries >= (started ? attempts : startAttempts)) return undefined;
    const bound = Math.min(capMs, (this.serverMs ?? baseMs) * 2 ** this.tries);
    this.tries += 1;
    return bound / 2 + (bound / 2) * this.random();
  }
}

export const RETRY: Required<RetryOptions> = { baseMs: 500, capMs: 15_000, attempts: 12, startAttempts: 2 };

/** Waits for so long, or until the browser is online again, or until `signal` is aborted, whichever comes first. */
export function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  // Not all that runs scripts is a window: workers are, Node.js is none.
  const target: Partial<Pick<EventTarget, "addEventListener" | "removeEventListener">> = globalThis;
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      target.removeEventListener?.("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    if (signal.aborted) return done();
    signal.addEventListener("abort", done);
    target.addEventListener?.("online", done);
  });
}
