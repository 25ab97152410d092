import { type ChatDelta, type StreamController, StreamError, Streams, webStorageCache } from "@narthex/client";
import { authHeaders, signInWanted } from "./credentials";
import { Failure } from "./failures";

export interface ChatMessage {
  role: "system" | "user" | "assistant";
  content: string;
}

/** The body of `POST /v1/chat/completions`, as far as the playground uses it. */
export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  temperature?: number;
  max_completion_tokens?: number;
  seed?: number;
  response_format?: { type: "json_schema"; json_schema: { name: string; schema: unknown; strict: true } };
  stream: true;
  stream_options: { include_usage: true };
}

export interface ChatUsage {
  input: number;
  output: number;
}

/** What the response's headers tell before the first token. */
export interface ChatOpening {
  requestId: string | undefined;
  model: string | undefined;
  /** Tuning that the model cannot take and that was left out. */
  dropped: string[];
  /** Whether the usage figures are counted by the server instead of reported by the provider. */
  usageEstimated: boolean;
}

export type ChatEvent = { kind: "opened"; opening: ChatOpening } | ChatDelta;

/** The answers that this tab asked for. Their events are kept in the tab's session only, as the conversation is. */
export const streams = new Streams({
  headers: authHeaders,
  cache: webStorageCache({ storage: () => window.sessionStorage, maxBytes: 2_097_152 }),
});

/**
 * Yields an answer as it comes.
 *
 * Returns normally only when the answer is whole: a finish reason was given and the stream was closed by `[DONE]`.
 *
 * @throws Failure when the server refuses, cannot be reached, reports an error midway, or cuts the stream (`stream_cut`).
 */
export async function* answerOf(stream: StreamController): AsyncGenerator<ChatEvent> {
  let finished = false;
  try {
    for await (const event of eventsOf(stream)) {
      finished ||= event.kind === "finished";
      yield event;
    }
  } catch (error) {
    throw failureBy(error);
  }
  if (!finished) throw new Failure({ ...UNFINISHED, requestId: stream.headers?.get("x-request-id") ?? undefined });
}

async function* eventsOf(stream: StreamController): AsyncGenerator<ChatEvent> {
  let opened = false;
  for await (const delta of stream.deltas()) {
    if (!opened && stream.headers) yield { kind: "opened", opening: openingOf(stream.headers) };
    opened = true;
    // The playground shows the first of several answers.
    if (!("choice" in delta) || delta.choice === 0) yield delta;
  }
}

function failureBy(error: unknown): unknown {
  if (!(error instanceof StreamError)) return error;
  if (error.status === 401) signInWanted.set(true);
  return new Failure(error.facts);
}

const UNFINISHED = { code: "stream_cut", message: "The stream was closed without a finish reason." };

function openingOf(headers: Headers): ChatOpening {
  return {
    requestId: headers.get("x-request-id") ?? undefined,
    model: headers.get("x-narthex-model") ?? undefined,
    dropped: (headers.get("x-narthex-dropped") ?? "").split(/[\s,]+/).filter(Boolean),
    usageEstimated: headers.get("x-narthex-usage") === "estimated",
  };
}
