import { authHeaders } from "./credentials";
import { Failure, failureFrom, failureOf, unreachable } from "./failures";
import { readEvents } from "./sse";

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

export type ChatEvent =
  | { kind: "opened"; opening: ChatOpening }
  | { kind: "text"; text: string }
  | { kind: "reasoning"; text: string }
  | { kind: "refusal"; text: string }
  | { kind: "tool"; index: number; name: string; arguments: string }
  | { kind: "finished"; reason: string }
  | { kind: "usage"; usage: ChatUsage };

/**
 * Asks for an answer and yields it as it comes.
 *
 * Returns normally only when the answer is whole: a finish reason was given and the stream was closed by `[DONE]`.
 *
 * @throws Failure when the server refuses, cannot be reached, reports an error midway, or cuts the stream (`stream_cut`).
 */
export async function* streamChat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatEvent> {
  const response = await post(request, signal);
  const opening = openingOf(response);
  yield { kind: "opened", opening };
  yield* readAnswer(response, opening.requestId, signal);
}

async function post(request: ChatRequest, signal: AbortSignal): Promise<Response> {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json", ...authHeaders() },
    body: JSON.stringify(request),
    signal,
  }).catch((error: unknown) => {
    throw signal.aborted ? error : unreachable();
  });
  if (!response.ok) throw await failureOf(response);
  return response;
}

function openingOf({ headers }: Response): ChatOpening {
  return {
    requestId: headers.get("x-request-id") ?? undefined,
    model: headers.get("x-narthex-model") ?? undefined,
    dropped: (headers.get("x-narthex-dropped") ?? "").split(/[\s,]+/).filter(Boolean),
    usageEstimated: headers.get("x-narthex-usage") === "estimated",
  };
}

async function* readAnswer(
  response: Response,
  requestId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<ChatEvent> {
  let finished = false;
  for await (const data of framesOf(response, requestId, signal)) {
    if (data.trim() === "[DONE]") {
      if (finished) return;
      throw cut(requestId, "The stream was closed without a finish reason.");
    }
    for (const event of eventsOf(data, requestId)) {
      finished ||= event.kind === "finished";
      yield event;
    }
  }
  throw cut(requestId, "The stream ended before the answer was complete.");
}

/** Yields what each frame carries; a connection that breaks is a cut, unless it was we who left. */
async function* framesOf(
  response: Response,
  requestId: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  try {
    for await (const { data } of readEvents(response.body ?? new ReadableStream())) yield data;
  } catch (error) {
    throw signal.aborted ? error : cut(requestId, "The connection broke before the answer was complete.");
  }
}

function cut(requestId: string | undefined, message: string): Failure {
  return new Failure({ code: "stream_cut", message, requestId });
}

interface Chunk {
  choices?: { index?: number; delta?: Delta | null; finish_reason?: string | null }[];
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
}

interface Delta {
  content?: string | null;
  refusal?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
  tool_calls?: { index?: number; function?: { name?: string; arguments?: string } }[] | null;
}

/** Reads one chunk; one that is not JSON is skipped, one that carries an error is thrown. */
export function eventsOf(data: string, requestId?: string): ChatEvent[] {
  const chunk = parsedChunk(data);
  if (!chunk) return [];
  const failure = failureFrom(chunk, { requestId });
  if (failure) throw failure;
  const events = (chunk.choices ?? []).filter((choice) => (choice.index ?? 0) === 0).flatMap(eventsOfChoice);
  if (chunk.usage) {
    const { prompt_tokens: input = 0, completion_tokens: output = 0 } = chunk.usage;
    events.push({ kind: "usage", usage: { input, output } });
  }
  return events;
}

function parsedChunk(data: string): Chunk | undefined {
  try {
    const chunk: unknown = JSON.parse(data);
    return typeof chunk === "object" && chunk !== null ? (chunk as Chunk) : undefined;
  } catch {
    return undefined;
  }
}

function eventsOfChoice({ delta, finish_reason: reason }: NonNullable<Chunk["choices"]>[number]): ChatEvent[] {
  const events = delta ? eventsOfDelta(delta) : [];
  if (reason) events.push({ kind: "finished", reason });
  return events;
}

function eventsOfDelta(delta: Delta): ChatEvent[] {
  const events: ChatEvent[] = [];
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (reasoning) events.push({ kind: "reasoning", text: reasoning });
  if (delta.content) events.push({ kind: "text", text: delta.content });
  if (delta.refusal) events.push({ kind: "refusal", text: delta.refusal });
  for (const call of delta.tool_calls ?? []) {
    const { name = "", arguments: text = "" } = call.function ?? {};
    events.push({ kind: "tool", index: call.index ?? 0, name, arguments: text });
  }
  return events;
}
