import type { ChatEvent } from "@/lib/chat";
import type { AnswerTurn, ToolCall } from "./conversation";

/**
 * What one event changes about an answer.
 *
 * @param elapsedMs Since the request was sent; nothing if that is not known here.
 */
export function changeBy(event: ChatEvent, answer: AnswerTurn, elapsedMs: number | undefined): Partial<AnswerTurn> {
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
      return { usage: { input: event.inputTokens, output: event.outputTokens } };
  }
}

function begun(answer: AnswerTurn, elapsedMs: number | undefined): Partial<AnswerTurn> {
  if (elapsedMs === undefined) return { state: "writing" };
  return { state: "writing", firstTokenMs: answer.firstTokenMs ?? elapsedMs, lastTokenMs: elapsedMs };
}

function toolsWith(tools: ToolCall[], { index, name, arguments: text }: ChatEvent & { kind: "tool" }): ToolCall[] {
  const next = [...tools];
  while (next.length <= index) next.push({ name: "", arguments: "" });
  const before = next[index] ?? { name: "", arguments: "" };
  next[index] = { name: before.name + name, arguments: before.arguments + text };
  return next;
}
