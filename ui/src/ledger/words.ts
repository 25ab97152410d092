import type { Tone } from "@/components/badge";
import type { EntryStatus, LedgerEntry } from "@/control/ledger";
import { formatCount } from "@/lib/format";

/** What became of an attempt, in a word, and what that means. */
export const STATUSES: Record<EntryStatus, { name: string; tone: Tone; note: string }> = {
  settled: { name: "Complete", tone: "good", note: "It brought its answer." },
  cut: { name: "Cut short", tone: "warn", note: "It ended before its end; what came until then is counted." },
  failed: { name: "Failed", tone: "bad", note: "It brought nothing, and nothing is known to be billed." },
  released: { name: "Not sent", tone: "plain", note: "It was let go before the provider was asked." },
  interrupted: {
    name: "Interrupted",
    tone: "warn",
    note: "The server was ended meanwhile; what is known is estimated.",
  },
};

export function isStatus(word: string): word is EntryStatus {
  return word in STATUSES;
}

const WAYS: Record<string, string> = {
  first: "First attempt",
  retry: "Retry",
  fallback: "Fallback",
  hedge: "Second, for speed",
  cascade: "Next of a cascade",
  rescue: "Rescue of a broken stream",
  merge: "One of several, merged",
};

const KINDS: Record<string, string> = {
  shadow: "Copy for a model on trial",
  judge: "Judgement of an answer",
  cache: "From the cache",
  batch: "Line of a batch",
  correction: "Correction to the bill",
};

/** How an attempt came about. */
export function wayText({ kind, way }: Pick<LedgerEntry, "kind" | "way">): string {
  return KINDS[kind] ?? WAYS[way] ?? way;
}

const TOKENS: [keyof LedgerEntry, string][] = [
  ["input_tokens", "input"],
  ["cache_read_tokens", "of it from the cache"],
  ["cache_write_tokens", "of it into the cache"],
  ["output_tokens", "output"],
  ["reasoning_tokens", "of it reasoning"],
];

/** "412 input, 96 output", with what is not zero; images and sound behind the tokens. */
export function tokensText(entry: LedgerEntry): string {
  const told = TOKENS.filter(([name]) => Number(entry[name]) !== 0).map(
    ([name, word]) => `${formatCount(Number(entry[name]))} ${word}`,
  );
  told.push(...mediaTexts(entry));
  if (told.length === 0) return "No tokens";
  const text = told.join(", ");
  return `${entry.estimated ? "about " : ""}${text}`;
}

/** "3 images", "12.5 s of sound": what is consumed beside tokens. */
export function mediaTexts({ images, audio_ms: audio }: Pick<LedgerEntry, "images" | "audio_ms">): string[] {
  const told: string[] = [];
  if (images !== 0) told.push(images === 1 ? "1 image" : `${formatCount(images)} images`);
  if (audio !== 0) told.push(`${(audio / 1_000).toLocaleString("en", { maximumFractionDigits: 3 })} s of sound`);
  return told;
}
