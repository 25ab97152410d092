import { Badge } from "@/components/badge";
import type { Entry } from "@/control/cache";
import { STANDINGS, spanText } from "./words";

/** What an answer is good for, and for how long. */
export function Standing({ entry }: { entry: Entry }) {
  const { name, tone, note } = STANDINGS[entry.state];
  return (
    <span title={note}>
      <Badge tone={tone}>{name}</Badge>
      {entry.fresh_s > 0 && <span className="block pt-0.5 text-small text-ink-3">for {spanText(entry.fresh_s)}</span>}
    </span>
  );
}
