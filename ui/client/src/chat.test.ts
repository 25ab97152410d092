import { expect, it } from "vitest";
import { chatDeltas } from "./chat.js";

it("skips what is no chunk", () => {
  for (const data of ["{half", "7", "null", "[DONE]", "{}", '{"choices": null}', '{"choices": 7}']) {
    expect(chatDeltas(data)).toEqual([]);
  }
});

it("reads text, reasoning, refusals and fragments of tool calls, of each choice", () => {
  const delta = {
    content: "Hi",
    reasoning_content: "Hm.",
    refusal: "I would rather not.",
    tool_calls: [{ index: 1, id: "call_1", function: { name: "weather", arguments: '{"ci' } }],
  };
  const choices = [
    { index: 0, delta },
    { index: 1, delta: { reasoning: "So." }, finish_reason: "length" },
  ];
  expect(chatDeltas(JSON.stringify({ choices }))).toEqual([
    { kind: "reasoning", choice: 0, text: "Hm." },
    { kind: "text", choice: 0, text: "Hi" },
    { kind: "refusal", choice: 0, text: "I would rather not." },
    { kind: "tool", choice: 0, index: 1, id: "call_1", name: "weather", arguments: '{"ci' },
    { kind: "reasoning", choice: 1, text: "So." },
    { kind: "finished", choice: 1, reason: "length" },
  ]);
});

it("reads the usage, at the end or beside the last words", () => {
  expect(chatDeltas('{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}')).toEqual([
    { kind: "usage", inputTokens: 5, outputTokens: 1 },
  ]);
});
