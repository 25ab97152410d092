import { describe, expect, it } from "vitest";
import { highlight } from "./highlight";

const kinds = (code: string, language: string) =>
  highlight(code, language)
    .filter((span) => span.kind)
    .map((span) => `${span.kind}:${span.text}`);

describe("highlight", () => {
  it("loses no character, whatever the language", () => {
    const code = 'def f(x): # note\n  return """a\nb""" + \'c\' + `d` // 7.5 && "unclosed';
    for (const language of ["python", "ts", "bash", "json", "sql", "go", "unknown", ""]) {
      expect(
        highlight(code, language)
          .map((span) => span.text)
          .join(""),
      ).toBe(code);
    }
  });

  it("tells words, strings, numbers and remarks apart", () => {
    expect(kinds('return "if" + 12 # if', "python")).toEqual([
      "word:return",
      'string:"if"',
      "number:12",
      "remark:# if",
    ]);
    expect(kinds('{"a": [true, 1.5]}', "json")).toEqual(['string:"a"', "word:true", "number:1.5"]);
  });

  it("leaves unknown languages and very long texts plain", () => {
    expect(kinds("return 1", "brainfuck")).toEqual([]);
    expect(kinds("return 1\n".repeat(5_000), "python")).toEqual([]);
  });
});
