import { wordsIn } from "@/components/fields";
import type { VoidWish, WarmWish } from "@/control/cache";

/** As many as one declaration names, and as long as a name is. */
const NAMED_AT_MOST = 100;
const WORD = /^[!-~]{1,200}$/;
const KEY = /^[0-9a-f]{64}$/;
const TAG = /^[A-Za-z0-9_.:/@-]{1,64}$/;
const TAGS_AT_MOST = 16;
const REQUESTS_AT_MOST = 200;
const LONGEST_TTL_S = 3_456_000;

/** What is to be declared void, as it is written. */
export interface VoidDraft {
  tags: string;
  models: string;
  keys: string;
}

export interface VoidProblems {
  tags?: string;
  models?: string;
  keys?: string;
}

export const NO_VOID: VoidDraft = { tags: "", models: "", keys: "" };

function wordsProblem(text: string, fits: RegExp, rule: string): string | undefined {
  const words = wordsIn(text);
  const wrong = words.find((word) => !fits.test(word));
  if (wrong !== undefined) return `${wrong.length > 40 ? `${wrong.slice(0, 40)}…` : wrong}: ${rule}`;
  return words.length > NAMED_AT_MOST ? `At most ${NAMED_AT_MOST} at once.` : undefined;
}

export function voidProblems({ tags, models, keys }: VoidDraft): VoidProblems {
  const found = {
    tags: wordsProblem(tags, WORD, "up to 200 letters, digits and signs."),
    models: wordsProblem(models, WORD, "up to 200 letters, digits and signs."),
    keys: wordsProblem(keys, KEY, "a key has 64 digits from 0 to f."),
  };
  return Object.fromEntries(Object.entries(found).filter(([, problem]) => problem !== undefined));
}

export function isNothing({ tags, models, keys }: VoidDraft): boolean {
  return wordsIn(`${tags} ${models} ${keys}`).length === 0;
}

export function voidWish({ tags, models, keys }: VoidDraft, everything: boolean): VoidWish {
  return { tags: wordsIn(tags), models: wordsIn(models), keys: wordsIn(keys), everything };
}

/** What is to be answered beforehand, as it is written. */
export interface WarmDraft {
  model: string;
  lines: string;
  tags: string;
  ttl: string;
}

export interface WarmProblems {
  lines?: string;
  tags?: string;
  ttl?: string;
}

/** A line is a question, or a whole request where it begins with a brace; raises `SyntaxError` where it is none. */
function requestIn(line: string, model: string): unknown {
  if (line.startsWith("{")) return JSON.parse(line);
  return { model, temperature: 0, messages: [{ role: "user", content: line }] };
}

function linesIn(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function linesProblem(text: string): string | undefined {
  const lines = linesIn(text);
  if (lines.length > REQUESTS_AT_MOST) {
    return `${lines.length} lines: at most ${REQUESTS_AT_MOST} at once; \`narthex cache warm\` takes any number.`;
  }
  for (const [place, line] of lines.entries()) {
    try {
      requestIn(line, "");
    } catch {
      return `Line ${place + 1} begins with a brace, and is no JSON.`;
    }
  }
  return undefined;
}

export function warmProblems({ lines, tags, ttl }: WarmDraft): WarmProblems {
  const seconds = Number(ttl);
  const found = {
    lines: linesProblem(lines),
    tags:
      wordsIn(tags).length > TAGS_AT_MOST
        ? `At most ${TAGS_AT_MOST}.`
        : wordsProblem(tags, TAG, "up to 64 letters, digits and any of `_.:/@-`."),
    ttl:
      ttl.trim() === "" || (Number.isFinite(seconds) && seconds > 0 && seconds <= LONGEST_TTL_S)
        ? undefined
        : "Seconds, up to 40 days.",
  };
  return Object.fromEntries(Object.entries(found).filter(([, problem]) => problem !== undefined));
}

export function warmWish({ model, lines, tags, ttl }: WarmDraft): WarmWish {
  return {
    requests: linesIn(lines).map((line) => requestIn(line, model)),
    tags: wordsIn(tags),
    ttl_s: ttl.trim() === "" ? null : Number(ttl),
  };
}

export function countOf(lines: string): number {
  return linesIn(lines).length;
}
