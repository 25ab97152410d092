import { expect, test } from "vitest";
import type { LedgerEntry } from "@/control/ledger";
import { tokensText, wayText } from "./words";

const tokens = (part: Partial<LedgerEntry>) =>
  tokensText({
    input_tokens: 0,
    output_tokens: 0,
    cache_read_tokens: 0,
    cache_write_tokens: 0,
    reasoning_tokens: 0,
    images: 0,
    audio_ms: 0,
    estimated: false,
    ...part,
  } as LedgerEntry);

test("tokens are told where there are any, and estimates as such", () => {
  expect(tokens({ input_tokens: 1_412, output_tokens: 96 })).toBe("1,412 input, 96 output");
  expect(tokens({ output_tokens: 96, reasoning_tokens: 40, estimated: true })).toBe(
    "about 96 output, 40 of it reasoning",
  );
  expect(tokens({ images: 1 })).toBe("1 image");
  expect(tokens({ output_tokens: 5, images: 3, audio_ms: 12_500 })).toBe("5 output, 3 images, 12.5 s of sound");
  expect(tokens({})).toBe("No tokens");
});

test("an attempt is told by what it was for, or else by how it came about", () => {
  expect(wayText({ kind: "call", way: "retry" })).toBe("Retry");
  expect(wayText({ kind: "cache", way: "first" })).toBe("From the cache");
  expect(wayText({ kind: "call", way: "new_way" })).toBe("new_way");
});
