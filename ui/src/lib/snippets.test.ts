import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import type { ChatRequest } from "./chat";
import { compactJson, javascriptLiteral, pythonLiteral, shellQuoted, snippet } from "./snippets";

const REQUEST: ChatRequest = {
  model: "local/smollm2",
  messages: [
    { role: "system", content: 'Be "brief".' },
    { role: "user", content: "It's\nGrüße 🏛️ $HOME `ls` \\n key: 1" },
  ],
  temperature: 0,
  stream: true,
  stream_options: { include_usage: true },
};

const OPEN = { baseUrl: "http://127.0.0.1:8484", keyed: false };

describe("snippet", () => {
  it("writes a curl body that the shell hands over unchanged", () => {
    const quoted = shellQuoted(JSON.stringify(REQUEST));
    const printed = execFileSync("sh", ["-c", `printf %s ${quoted}`], { encoding: "utf8" });
    expect(JSON.parse(printed)).toEqual(REQUEST);
    expect(snippet("curl", REQUEST, OPEN)).toContain("curl -N http://127.0.0.1:8484/v1/chat/completions");
  });

  it("writes JavaScript that evaluates to the same request", () => {
    expect(new Function(`return ${javascriptLiteral(REQUEST)}`)()).toEqual(REQUEST);
    expect(javascriptLiteral({ 'say "no": x': "a: b", $ok: ['"k": 1'] })).toBe(
      '{ "say \\"no\\": x": "a: b", $ok: ["\\"k\\": 1"] }',
    );
  });

  it("keeps on a line what fits on it", () => {
    expect(compactJson(REQUEST)).toContain('\n    { "role": "system", "content": "Be \\"brief\\"." },\n');
    expect(JSON.parse(compactJson(REQUEST))).toEqual(REQUEST);
  });

  it("writes Python literals, nested and empty", () => {
    expect(pythonLiteral({ a: [true, null, 1.5], b: {}, c: [], d: "x" })).toBe(
      '{"a": [True, None, 1.5], "b": {}, "c": [], "d": "x"}',
    );
    expect(pythonLiteral([{ text: "y".repeat(80) }])).toBe(`[\n    {\n        "text": "${"y".repeat(80)}",\n    },\n]`);
  });

  it("names the environment variable where a key is demanded, and never a key", () => {
    for (const language of ["curl", "python", "javascript"] as const) {
      expect(snippet(language, REQUEST, { ...OPEN, keyed: true })).toContain("NARTHEX_API_KEY");
      expect(snippet(language, REQUEST, OPEN)).not.toContain("NARTHEX_API_KEY");
    }
  });
});
