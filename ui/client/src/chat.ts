import { parsed } from "./failures.js";

/** A step of an answer of `/v1/chat/completions`. */
export type ChatDelta =
  | { kind: "text"; choice: number; text: string }
  | { kind: "reasoning"; choice: number; text: string }
  | { kind: "refusal"; choice: number; text: string }
  | { kind: "tool"; choice: number; index: number; id?: string; name: string; arguments: string }
  | { kind: "finished"; choice: number; reason: string }
  | { kind: "usage"; inputTokens: number; outputTokens: number };

interface Chunk {
  choices?: Choice[] | null;
  usage?: { prompt_tokens?: number; completion_tokens?: number } | null;
}

interface Choice {
  index?: number;
  delta?: Delta | null;
  finish_reason?: string | null;
}

interface Delta {
  content?: string | null;
  refusal?: string | null;
  reasoning_content?: string | null;
  reasoning?: string | null;
  tool_calls?: { index?: number; id?: string; function?: { name?: string; arguments?: string } }[] | null;
}

/** Reads the data of one event; what is no chunk of a chat has no deltas. */
export function chatDeltas(data: string): ChatDelta[] {
  const body = parsed(data);
  if (typeof body !== "object" || body === null) return [];
  const { choices, usage } = body as Chunk;
  const deltas = (Array.isArray(choices) ? choices : []).flatMap(deltasOfChoice);
  if (usage) {
    const { prompt_tokens: inputTokens = 0, completion_tokens: outputTokens = 0 } = usage;
    deltas.push({ kind: "usage", inputTokens, outputTokens });
  }
  return deltas;
}

function deltasOfChoice({ index: choice = 0, delta, finish_reason: reason }: Choice): ChatDelta[] {
  const deltas = delta ? deltasOf(delta, choice) : [];
  if (reason) deltas.push({ kind: "finished", choice, reason });
  return deltas;
}

function deltasOf(delta: Delta, choice: number): ChatDelta[] {
  const deltas: ChatDelta[] = [];
  const reasoning = delta.reasoning_content ?? delta.reasoning;
  if (reasoning) deltas.push({ kind: "reasoning", choice, text: reasoning });
  if (delta.content) deltas.push({ kind: "text", choice, text: delta.content });
  if (delta.refusal) deltas.push({ kind: "refusal", choice, text: delta.refusal });
  for (const { index = 0, id, function: called } of delta.tool_calls ?? []) {
    const { name = "", arguments: text = "" } = called ?? {};
    deltas.push({ kind: "tool", choice, index, name, arguments: text, ...(id === undefined ? {} : { id }) });
  }
  return deltas;
}
