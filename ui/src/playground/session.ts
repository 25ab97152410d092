import type { StreamController } from "@narthex/client";
import { sessionStore } from "@/lib/browser-storage";
import { ExternalStore } from "@/lib/external-store";
import { Failure, type FailureFacts, unreachable } from "@/lib/failures";
import { newId } from "@/lib/ids";
import { refresh } from "@/lib/queries";
import {
  type AnswerTurn,
  emptyAnswer,
  isRunning,
  NEW_PLAYGROUND,
  NOT_LIVE,
  type Playground,
  requestFor,
  restore,
  type Tuning,
} from "./conversation";

type Following = typeof import("./following");

const load = (): Promise<Following> => import("./following");

const STORAGE_KEY = "narthex.playground";
const KEEP_AFTER_MS = 400;

/** An answer is drawn at most once a frame; a long one, which takes longer to draw, less often. */
const drawAfterMs = (answer: AnswerTurn) => 16 + answer.text.length / 400;

/**
 * The conversation of this tab, and the one answer that may be running in it.
 *
 * It lives outside the pages: an answer goes on while the reader looks at the overview. The answer itself belongs to the
 * server, so that it goes on while the page is loaded again, and other tabs can read it.
 */
export class PlaygroundSession {
  readonly store: ExternalStore<Playground>;
  /** How the running answer stands on the server. */
  readonly live = new ExternalStore(NOT_LIVE);
  private running: StreamController | undefined;
  private keeper: ReturnType<typeof setTimeout> | undefined;
  /** The running answer as it stands, ahead of what is drawn. */
  private ahead: AnswerTurn | undefined;
  private drawer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly storage = sessionStore,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.store = new ExternalStore(restore(storage.read(STORAGE_KEY)));
    this.store.subscribe(() => this.keepSoon());
    const last = this.store.get().turns.at(-1);
    if (isRunning(last)) void this.readOn(last.id);
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
  write = (draft: string): void => {
    this.change({ draft });
    // Whoever writes will send.
    void load().catch(() => undefined);
  };
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
    this.change({ turns: [...turns, { role: "user", id: newId(), text }], draft: "" });
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

  /** Shows an answer that another tab asked for, unless this one has it. */
  open = async (streamId: string): Promise<void> => {
    const { turns } = this.store.get();
    if (turns.some((turn) => turn.role === "assistant" && turn.streamId === streamId)) return;
    this.stop();
    const answer: AnswerTurn = { ...emptyAnswer(newId(), "", false), streamId };
    this.change({ turns: [answer] });
    await this.readOn(answer.id);
  };

  /** Reads an answer on: after a reload, or after its connection was lost. */
  readOn = async (turnId: string): Promise<void> => {
    const shown = this.find(turnId);
    if (!shown?.streamId) return;
    this.running?.leave();
    this.update(turnId, { state: shown.text ? "writing" : "waiting", failure: undefined });
    // It is built anew from its events; what is shown stays until that is as long.
    const { text, reasoning, refusal, tools } = emptyAnswer(turnId, shown.model, shown.json);
    const anew: AnswerTurn = { ...shown, state: "waiting", failure: undefined, text, reasoning, refusal, tools };
    const following = await this.loaded(shown);
    if (!following) return;
    await this.follow(following, anew, following.streams.attach(shown.streamId));
    await this.complete(following, turnId, shown.streamId);
  };

  /** Stops the running answer for all who read it; what came so far stays, marked as stopped. */
  stop = (): void => {
    this.draw();
    const { running } = this;
    this.running = undefined;
    const last = this.store.get().turns.at(-1);
    if (!isRunning(last)) return;
    this.update(last.id, { state: "stopped" });
    void running?.cancel().then(
      () => running.leave(),
      () => this.update(last.id, { failure: NOT_STOPPED }),
    );
  };

  /** Pauses the running answer for all who read it, or goes on with it. */
  pauseOrResume = async (): Promise<void> => {
    const { running } = this;
    try {
      if (running?.state === "paused") await running.resume();
      else await running?.pause();
    } catch {
      // It ended meanwhile, or the connection is gone: either is shown where the answer is.
    }
  };

  private async answer(model: string): Promise<void> {
    const { tuning, turns } = this.store.get();
    const request = requestFor(model, tuning, turns);
    const id = newId();
    const answer = { ...emptyAnswer(newId(), model, request.response_format !== undefined), streamId: id };
    this.change({ turns: [...turns, answer] });
    const sentAt = this.now();
    const following = await this.loaded(answer);
    if (!following) return;
    const stream = following.streams.start("/v1/chat/completions", { ...request }, { id });
    await this.follow(following, answer, stream, () => this.now() - sentAt);
  }

  /** Loads what reads answers; returns nothing if that cannot be had, or if this one was stopped meanwhile. */
  private async loaded(answer: AnswerTurn): Promise<Following | undefined> {
    try {
      const following = await load();
      return isRunning(this.find(answer.id)) ? following : undefined;
    } catch {
      this.settle(answer, (whole) => endedBy(unreachable(), whole));
      return undefined;
    }
  }

  /** Streams an answer into the conversation, to its end. */
  private async follow(
    { Watch, answerOf, changeBy }: Following,
    answer: AnswerTurn,
    stream: StreamController,
    elapsed: () => number | undefined = () => undefined,
  ): Promise<void> {
    const { id } = answer;
    const watch = new Watch(stream, id, this.live);
    this.running = stream;
    let newest = answer;
    try {
      for await (const event of answerOf(stream)) {
        newest = { ...newest, ...changeBy(event, newest, elapsed()) };
        this.take(newest);
      }
      this.settle(newest, () => ({ state: "done" }));
    } catch (error) {
      if (stream.state !== "left") this.settle(newest, (whole) => endedBy(error, whole));
    } finally {
      watch.close();
      if (this.running === stream) this.running = undefined;
      refresh();
    }
  }

  /** Asks for what only the server knows of an answer whose beginning this page has not seen. */
  private async complete({ streams }: Following, turnId: string, streamId: string): Promise<void> {
    try {
      const { model, target, progress } = await streams.progress(streamId);
      const answer = this.find(turnId);
      if (!answer) return;
      const firstTokenMs = progress.first_token_ms ?? undefined;
      const known = { model: answer.model || model, answeredBy: answer.answeredBy ?? target ?? undefined };
      this.update(turnId, { ...known, firstTokenMs, lastTokenMs: progress.elapsed_ms });
    } catch {
      // Forgotten by now: then these figures are not shown.
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

  /** Ends an answer, unless its reader has done so before. */
  private settle(answer: AnswerTurn, end: (whole: AnswerTurn) => Partial<AnswerTurn>): void {
    this.forgetAhead();
    const shown = this.find(answer.id);
    if (!isRunning(shown)) return;
    const whole = answer.text.length < shown.text.length ? shown : answer;
    this.update(answer.id, { ...whole, ...end(whole) });
  }

  private take(answer: AnswerTurn): void {
    const shown = this.find(answer.id);
    if (!isRunning(shown) || answer.text.length < shown.text.length) return;
    this.ahead = answer;
    this.drawer ??= setTimeout(this.draw, drawAfterMs(answer));
  }

  private draw = (): void => {
    const { ahead } = this;
    this.forgetAhead();
    if (ahead && isRunning(this.find(ahead.id))) this.update(ahead.id, ahead);
  };

  private forgetAhead(): void {
    clearTimeout(this.drawer);
    this.drawer = undefined;
    this.ahead = undefined;
  }
}

const NOT_STOPPED: FailureFacts = {
  code: "stop_failed",
  message: "The server could not be told to stop: it may write this answer to its end.",
};

function endedBy(error: unknown, answer: AnswerTurn): Partial<AnswerTurn> {
  const facts = factsOf(error);
  if (facts.code === "cancelled") return { state: "stopped", stoppedElsewhere: true };
  const requestId = facts.requestId ?? answer.requestId;
  return { state: answer.state === "waiting" ? "failed" : "broken", failure: { ...facts, requestId }, requestId };
}

function factsOf(error: unknown): FailureFacts {
  if (error instanceof Failure) return error.facts;
  return { code: "dashboard_error", message: error instanceof Error ? error.message : String(error) };
}

export const session = new PlaygroundSession();
