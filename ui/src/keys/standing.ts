import type { Tone } from "@/components/badge";
import type { Key } from "@/control/types";
import { formatAgo, formatDay } from "@/lib/time";

export interface Standing {
  word: string;
  tone: Tone;
  /** Whether it opens anything. */
  opens: boolean;
  note?: string;
}

const SOON_S = 7 * 86_400;

/** Whether a key is good, for how long, and why not. */
export function standingOf(key: Key, now: number = Date.now() / 1_000): Standing {
  if (key.revoked_at !== null) {
    return { word: "Revoked", tone: "bad", opens: false, note: formatAgo(key.revoked_at, now) };
  }
  if (key.expires_at === null) return { word: "Active", tone: "good", opens: true };
  if (key.expires_at <= now) {
    const word = key.rotated_to === null ? "Expired" : "Rotated";
    return { word, tone: "plain", opens: false, note: formatAgo(key.expires_at, now) };
  }
  const note = key.expires_at - now < SOON_S ? formatAgo(key.expires_at, now) : formatDay(key.expires_at);
  if (key.rotated_to !== null) return { word: "Rotated", tone: "warn", opens: true, note: `ends ${note}` };
  const tone = key.expires_at - now < SOON_S ? "warn" : "good";
  return { word: "Active", tone, opens: true, note: `ends ${note}` };
}

/** Those that open something first; of them the newest first. */
export function inOrder(keys: Key[], now: number = Date.now() / 1_000): Key[] {
  const rank = (key: Key) => (standingOf(key, now).opens ? 0 : 1);
  return keys.toSorted((one, other) => rank(one) - rank(other) || other.created_at - one.created_at);
}
