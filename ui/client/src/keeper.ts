import type { StreamCache } from "./cache/cache.js";
import type { StreamEvent } from "./events.js";

const KEEP_AFTER_MS = 200;

/** Writes the events of one stream into a cache, some at a time. */
export class Keeper {
  private waiting: StreamEvent[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly cache: StreamCache | undefined,
    private readonly stream: string,
  ) {}

  keep(event: StreamEvent): void {
    if (!this.cache) return;
    this.waiting.push(event);
    this.timer ??= setTimeout(() => void this.write(false), KEEP_AFTER_MS);
  }

  /** Writes what waits; `ended` says that the answer has come to its end. */
  async write(ended: boolean): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const events = this.waiting;
    this.waiting = [];
    if (events.length > 0 || ended) await this.cache?.append(this.stream, events, ended);
  }
}
