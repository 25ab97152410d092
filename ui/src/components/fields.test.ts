import { expect, test } from "vitest";
import { wordsIn } from "./fields";

test("words stand on lines or between commas, each once", () => {
  expect(wordsIn(" openai/*, local/smollm2\nopenai/* \n\n")).toEqual(["openai/*", "local/smollm2"]);
  expect(wordsIn("  \n ")).toEqual([]);
});
