import type { ReactNode } from "react";

export type Tone = "plain" | "good" | "warn" | "bad" | "accent";

const TONES: Record<Tone, string> = {
  plain: "border-line bg-floor text-ink-2",
  good: "border-transparent bg-good-soft text-good-text",
  warn: "border-transparent bg-warn-soft text-warn-text",
  bad: "border-transparent bg-bad-soft text-bad-text",
  accent: "border-accent-line bg-accent-soft text-accent-text",
};

/** A word about a thing. */
export function Badge({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span
      className={`inline-block rounded-s border px-1.5 py-px text-small font-medium whitespace-nowrap ${TONES[tone]}`}
    >
      {children}
    </span>
  );
}

/** Words about a thing, side by side. */
export function Badges({ words, none }: { words: string[]; none: string }) {
  if (words.length === 0) return <span className="text-ink-3">{none}</span>;
  return (
    <span className="flex flex-wrap gap-1">
      {words.map((word) => (
        <span
          key={word}
          className="rounded-s border border-line bg-floor px-1.5 py-px font-mono text-[0.6875rem] leading-4.5 [overflow-wrap:anywhere] text-ink-2"
        >
          {word}
        </span>
      ))}
    </span>
  );
}
