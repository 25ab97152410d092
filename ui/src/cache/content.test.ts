import { expect, test } from "vitest";
import { textsOf } from "./content";

test.each([
  ["OpenAI's chat completions", { choices: [{ message: { role: "assistant", content: "Red" } }] }],
  ["its parts", { choices: [{ message: { content: [{ type: "text", text: "Red" }] } }] }],
  ["its completions", { choices: [{ text: "Red" }] }],
  [
    "Anthropic's messages",
    {
      content: [
        { type: "thinking", thinking: "Hm" },
        { type: "text", text: "Red" },
      ],
    },
  ],
  [
    "OpenAI's responses",
    {
      output: [
        { type: "reasoning", summary: [] },
        { type: "message", content: [{ type: "output_text", text: "Red" }] },
      ],
    },
  ],
  [
    "Gemini",
    {
      candidates: [
        {
          content: {
            parts: [{ text: "Hm", thought: true }, { text: "Red" }],
          },
        },
      ],
    },
  ],
  [
    "what is kept of a stream",
    {
      choices: [
        {
          message: {
            role: "assistant",
            parts: [
              { type: "reasoning", text: "Hm" },
              { type: "text", text: "Red" },
            ],
          },
        },
      ],
    },
  ],
])("the text of an answer is read in %s", (_, content) => {
  expect(textsOf(content)).toEqual(["Red"]);
});

test("each choice is a text of its own", () => {
  expect(textsOf({ choices: [{ message: { content: "A" } }, { message: { content: "B" } }] })).toEqual(["A", "B"]);
});

test.each([[null], ["x"], [[]], [{ data: [{ embedding: [0.1] }] }], [{ choices: [null, 1] }]])(
  "what has no text is none: %j",
  (content) => {
    expect(textsOf(content)).toEqual([]);
  },
);
