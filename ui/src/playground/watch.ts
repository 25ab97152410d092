import type { StreamController } from "@narthex/client";
import type { ExternalStore } from "@/lib/external-store";
import type { Live } from "./conversation";

const FIRST_ASK_MS = 400;
const ASK_EVERY_MS = 1_000;

/** Follows how one answer stands, and writes that down for those who show it. */
export class Watch {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly stream: StreamController,
    private readonly turnId: string,
    private readonly live: ExternalStore<Live>,
  ) {
    live.set({ turnId, state: stream.state, report: undefined });
    this.unsubscribe = stream.onState((state) => this.tell({ state }));
    this.timer = setTimeout(this.ask, FIRST_ASK_MS);
  }

  close(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.unsubscribe();
  }

  /** An answer that is being stopped may still have something to tell when the next one is shown. */
  private tell(part: Partial<Live>): void {
    const live = this.live.get();
    if (live.turnId === this.turnId && this.timer !== undefined) this.live.set({ ...live, ...part });
  }

  private ask = async (): Promise<void> => {
    try {
      if (document.visibilityState === "visible") this.tell({ report: await this.stream.progress() });
    } catch {
      // Not kept, or not there at the moment: nothing is shown then.
      this.tell({ report: undefined });
    }
    if (this.timer !== undefined) this.timer = setTimeout(this.ask, ASK_EVERY_MS);
  };
}
