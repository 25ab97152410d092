import type { StreamReport, StreamState } from "@narthex/client";
import type { ChatMessage, ChatRequest, ChatUsage } from "@/lib/chat";
import type { FailureFacts } from "@/lib/failures";

export interface UserTurn {
  role: "user";
  id: string;
  text: string;
}

export interface ToolCall {
  name: string;
  arguments: string;
}

/**
 * How an answer stands. `done` is whole; `stopped` was ended by the reader; `broken` was cut after it had begun; `failed`
 * never began.
 */
export type AnswerState = "waiting" | "writing" | "done" | "stopped" | "broken" | "failed";

export interface AnswerTurn {
  role: "assistant";
  id: string;
  state: AnswerState;
  text: string;
  reasoning: string;
  refusal: string;
  tools: ToolCall[];
  /** Whether JSON was asked for. */
  json: boolean;
  /** The model asked. */
  model: string;
  /** The model that answered, if the server named it. */
  answeredBy?: string | undefined;
  requestId?: string | undefined;
  dropped: string[];
  finishReason?: string | undefined;
  usage?: ChatUsage | undefined;
  usageEstimated: boolean;
  /** From the request sent to the first token seen, in milliseconds. */
  firstTokenMs?: number | undefined;
  /** From the request sent to the last token seen, in milliseconds. */
  lastTokenMs?: number | undefined;
  failure?: FailureFacts | undefined;
  /** Under which the server keeps it: another tab can read it, and this one after a reload. */
  streamId?: string | undefined;
  /** Whether it was stopped by somebody else who reads it. */
  stoppedElsewhere?: boolean | undefined;
}

/** How the running answer stands. */
export interface Live {
  turnId: string | undefined;
  state: StreamState;
  /** What the server tells of it, if it keeps it. */
  report: StreamReport | undefined;
}

export const NOT_LIVE: Live = { turnId: undefined, state: "connecting", report: undefined };

export type Turn = UserTurn | AnswerTurn;

export interface Tuning {
  system: string;
  temperature: number | null;
  maxTokens: number | null;
  seed: number | null;
  schemaOn: boolean;
  schemaText: string;
}

export interface Playground {
  /** Empty until one is chosen: the server's default model is used. */
  model: string;
  tuning: Tuning;
  turns: Turn[];
  draft: string;
}

export const EXAMPLE_SCHEMA = `{
  "type": "object",
  "properties": {
    "name": { "type": "string" },
    "year": { "type": "integer" }
  },
  "required": ["name", "year"],
  "additionalProperties": false
}`;

export const UNTUNED: Tuning = {
  system: "",
  temperature: null,
  maxTokens: null,
  seed: null,
  schemaOn: false,
  schemaText: EXAMPLE_SCHEMA,
};

export const NEW_PLAYGROUND: Playground = { model: "", tuning: UNTUNED, turns: [], draft: "" };

export function emptyAnswer(id: string, model: string, json: boolean): AnswerTurn {
  return {
    role: "assistant",
    id,
    state: "waiting",
    text: "",
    reasoning: "",
    refusal: "",
    tools: [],
    json,
    model,
    dropped: [],
    usageEstimated: false,
  };
}

export function isRunning(turn: Turn | undefined): turn is AnswerTurn {
  return turn?.role === "assistant" && (turn.state === "waiting" || turn.state === "writing");
}

/** Why the schema cannot be sent, or nothing if it can. */
export function schemaProblem(text: string): string | undefined {
  try {
    const schema: unknown = JSON.parse(text);
    const right = typeof schema === "object" && schema !== null && !Array.isArray(schema);
    return right ? undefined : 'A JSON schema is an object, such as { "type": "object" }.';
  } catch (error) {
    return error instanceof Error ? error.message : "This is not JSON.";
  }
}

/** Builds the exact request for the conversation so far. A schema that cannot be read is left out. */
export function requestFor(model: string, tuning: Tuning, turns: Turn[]): ChatRequest {
  return {
    model,
    messages: messagesOf(tuning.system, turns),
    ...(tuning.temperature === null ? {} : { temperature: tuning.temperature }),
    ...(tuning.maxTokens === null ? {} : { max_completion_tokens: tuning.maxTokens }),
    ...(tuning.seed === null ? {} : { seed: tuning.seed }),
    ...responseFormat(tuning),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function responseFormat({ schemaOn, schemaText }: Tuning): Pick<ChatRequest, "response_format"> {
  if (!schemaOn || schemaProblem(schemaText)) return {};
  const json_schema = { name: "answer", schema: JSON.parse(schemaText) as unknown, strict: true as const };
  return { response_format: { type: "json_schema", json_schema } };
}

/** What the model is told: answers without text (failed, or stopped before they began) are not part of it. */
function messagesOf(system: string, turns: Turn[]): ChatMessage[] {
  const messages: ChatMessage[] = system.trim() ? [{ role: "system", content: system }] : [];
  for (const { role, text } of turns) if (text) messages.push({ role, content: text });
  return messages;
}

/** Tokens per second between the first and the last token, where both and the count are known. */
export function tokensPerSecond({ usage, firstTokenMs, lastTokenMs }: AnswerTurn): number | undefined {
  if (!usage || firstTokenMs === undefined || lastTokenMs === undefined) return undefined;
  const seconds = (lastTokenMs - firstTokenMs) / 1_000;
  return usage.output > 1 && seconds > 0 ? (usage.output - 1) / seconds : undefined;
}

/** Reads what an earlier visit of this tab kept; anything that is not ours is passed over. */
export function restore(stored: string | null): Playground {
  try {
    const kept: unknown = JSON.parse(stored ?? "null");
    if (typeof kept !== "object" || kept === null || !Array.isArray((kept as Playground).turns)) return NEW_PLAYGROUND;
    const playground = kept as Playground;
    return {
      ...NEW_PLAYGROUND,
      ...playground,
      tuning: { ...UNTUNED, ...playground.tuning },
      turns: playground.turns.map((turn, at, all) =>
        at === all.length - 1 && isKept(turn) ? turn : interrupted(turn),
      ),
    };
  } catch {
    return NEW_PLAYGROUND;
  }
}

/** Whether an answer may be read on: the server keeps it. */
function isKept(turn: Turn): boolean {
  return isRunning(turn) && turn.streamId !== undefined;
}

/** An answer that was being written when the page went away is not whole. */
function interrupted(turn: Turn): Turn {
  if (!isRunning(turn)) return turn;
  const failure = { code: "stream_cut", message: "The page was left before the answer was complete." };
  return { ...turn, state: "broken", failure };
}
