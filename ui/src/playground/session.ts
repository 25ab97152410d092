import { sessionStore } from "@/lib/browser-storage";
import { type ChatEvent, streamChat } from "@/lib/chat";
import { ExternalStore } from "@/lib/external-store";
import { Failure, type FailureFacts } from "@/lib/failures";
import { refresh } from "@/lib/queries";
import {
  type AnswerTurn,
  emptyAnswer,
  isRunning,
  NEW_PLAYGROUND,
  type Playground,
  requestFor,
  restore,
  type ToolCall,
  type Tuning,
} from "./conversation";

const STORAGE_KEY = "narthex.playground";
const KEEP_AFTER_MS = 400;

/** An answer is drawn at most once a frame; a long one, which takes longer to draw, less often. */
const drawAfterMs = (answer: AnswerTurn) => 16 + answer.text.length / 400;

/**
 * The conversation of this tab, and the one answer that may be running in it.
 *
 * It lives outside the pages: an answer goes on while the reader looks at the overview.
 */
export class PlaygroundSession {
  readonly store: ExternalStore<Playground>;
  private running: AbortController | undefined;
  private keeper: ReturnType<typeof setTimeout> | undefined;
  /** The running answer as it stands, ahead of what is drawn. */
  private live: AnswerTurn | undefined;
  private drawer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly storage = sessionStore,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.store = new ExternalStore(restore(storage.read(STORAGE_KEY)));
    this.store.subscribe(() => this.keepSoon());
  }

  /** Writes the conversation down at once, as when the page is about to go. */
  keep = (): void => {
    this.draw();
    clearTimeout(this.keeper);
    this.keeper = undefined;
    this.storage.write(STORAGE_KEY, JSON.stringify(this.store.get()));
  };

  private keepSoon(): void {
    this.keeper ??= setTimeout(this.keep, KEEP_AFTER_MS);
  }

  private change(part: Partial<Playground>): void {
    this.store.set({ ...this.store.get(), ...part });
  }

  chooseModel = (model: string): void => this.change({ model });
  write = (draft: string): void => this.change({ draft });
  tune = (part: Partial<Tuning>): void => this.change({ tuning: { ...this.store.get().tuning, ...part } });

  /** Starts over with the same model and parameters. */
  clear = (): void => {
    this.stop();
    this.change({ ...NEW_PLAYGROUND, model: this.store.get().model, tuning: this.store.get().tuning });
  };

  /** Sends a prompt to `model` and streams the answer into the conversation. */
  send = async (text: string, model: string): Promise<void> => {
    const { turns } = this.store.get();
    if (text.trim() === "" || isRunning(turns.at(-1))) return;
    this.change({ turns: [...turns, { role: "user", id: crypto.randomUUID(), text }], draft: "" });
    await this.answer(model);
  };

  /** Puts `text` in place of an earlier prompt, forgets what came after it, and asks again. */
  resend = async (turnId: string, text: string, model: string): Promise<void> => {
    const { turns } = this.store.get();
    const at = turns.findIndex((turn) => turn.id === turnId && turn.role === "user");
    if (at < 0 || text.trim() === "") return;
    this.stop();
    this.change({ turns: [...turns.slice(0, at), { role: "user", id: turnId, text }] });
    await this.answer(model);
  };

  /** Asks again for the last answer. */
  regenerate = async (model: string): Promise<void> => {
    const { turns } = this.store.get();
    if (turns.at(-1)?.role !== "assistant" || isRunning(turns.at(-1))) return;
    this.change({ turns: turns.slice(0, -1) });
    await this.answer(model);
  };

  /** Stops the running answer; what came so far stays, marked as stopped. */
  stop = (): void => {
    this.draw();
    this.running?.abort();
    this.running = undefined;
    const last = this.store.get().turns.at(-1);
    if (isRunning(last)) this.update(last.id, { state: "stopped" });
  };

  private async answer(model: string): Promise<void> {
    const { tuning, turns } = this.store.get();
    const request = requestFor(model, tuning, turns);
    const answer = emptyAnswer(crypto.randomUUID(), model, request.response_format !== undefined);
    const abort = new AbortController();
    this.running = abort;
    this.change({ turns: [...turns, answer] });
    const sentAt = this.now();
    try {
      for await (const event of streamChat(request, abort.signal)) {
        this.take(answer.id, event, this.now() - sentAt);
      }
      this.draw();
      this.update(answer.id, { state: "done" });
    } catch (error) {
      this.draw();
      if (!abort.signal.aborted) this.fail(answer.id, factsOf(error));
    } finally {
      if (this.running === abort) this.running = undefined;
      refresh();
    }
  }

  private find(id: string): AnswerTurn | undefined {
    return this.store.get().turns.find((turn): turn is AnswerTurn => turn.role === "assistant" && turn.id === id);
  }

  private update(id: string, part: Partial<AnswerTurn>): void {
    const { turns } = this.store.get();
    this.change({
      turns: turns.map((turn) => (turn.id === id && turn.role === "assistant" ? { ...turn, ...part } : turn)),
    });
  }

  private fail(id: string, failure: FailureFacts): void {
    const answer = this.find(id);
    if (!answer) return;
    const requestId = failure.requestId ?? answer.requestId;
    this.update(id, {
      state: answer.state === "waiting" ? "failed" : "broken",
      failure: { ...failure, requestId },
      requestId,
    });
  }

  private take(id: string, event: ChatEvent, elapsedMs: number): void {
    const answer = this.live?.id === id ? this.live : this.find(id);
    if (!answer || !isRunning(answer)) return;
    this.live = { ...answer, ...changeBy(event, answer, elapsedMs) };
    this.drawer ??= setTimeout(this.draw, drawAfterMs(answer));
  }

  private draw = (): void => {
    clearTimeout(this.drawer);
    this.drawer = undefined;
    const { live } = this;
    this.live = undefined;
    if (live && isRunning(this.find(live.id))) this.update(live.id, live);
  };
}

function factsOf(error: unknown): FailureFacts {
  if (error instanceof Failure) return error.facts;
  return { code: "dashboard_error", message: error instanceof Error ? error.message : String(error) };
}

/** What one event changes about an answer. */
export function changeBy(event: ChatEvent, answer: AnswerTurn, elapsedMs: number): Partial<AnswerTurn> {
  switch (event.kind) {
    case "opened": {
      const { model, requestId, dropped, usageEstimated } = event.opening;
      return { answeredBy: model, requestId, dropped, usageEstimated };
    }
    case "text":
      return { ...begun(answer, elapsedMs), text: answer.text + event.text };
    case "reasoning":
      return { ...begun(answer, elapsedMs), reasoning: answer.reasoning + event.text };
    case "refusal":
      return { ...begun(answer, elapsedMs), refusal: answer.refusal + event.text };
    case "tool":
      return { ...begun(answer, elapsedMs), tools: toolsWith(answer.tools, event) };
    case "finished":
      return { finishReason: event.reason };
    case "usage":
      return { usage: event.usage };
  }
}

function begun(answer: AnswerTurn, elapsedMs: number): Partial<AnswerTurn> {
  return { state: "writing", firstTokenMs: answer.firstTokenMs ?? elapsedMs, lastTokenMs: elapsedMs };
}

function toolsWith(tools: ToolCall[], { index, name, arguments: text }: ChatEvent & { kind: "tool" }): ToolCall[] {
  const next = [...tools];
  while (next.length <= index) next.push({ name: "", arguments: "" });
  const before = next[index] ?? { name: "", arguments: "" };
  next[index] = { name: before.name + name, arguments: before.arguments + text };
  return next;
}

export const session = new PlaygroundSession();
