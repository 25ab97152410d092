import { withCode } from "@/components/failure-card";
import type { CacheStats } from "@/control/cache";
import { formatCompact } from "@/lib/format";
import { shareOf } from "@/usage/stacks";
import { kindOf, ranked, reasonOf, refusalOf, type Told } from "./words";

/** In which ways calls were answered, why others were not, and why answers were not kept. */
export function Reasons({ stats }: { stats: CacheStats }) {
  return (
    <div className="grid gap-4 lg:grid-cols-3">
      <Counts title="Answered" counts={stats.hits} told={kindOf} none="No call was answered yet." colour="bg-good" />
      <Counts
        title="Not answered"
        counts={stats.misses}
        told={reasonOf}
        none="Every call was answered."
        colour="bg-line-strong"
      />
      <Counts
        title="Answers not kept"
        counts={stats.refused}
        told={refusalOf}
        none="Every answer that might be was kept."
        colour="bg-warn"
      />
    </div>
  );
}

interface CountsProps {
  title: string;
  counts: Record<string, number>;
  told: (word: string) => Told;
  none: string;
  colour: string;
}

function Counts({ title, counts, told, none, colour }: CountsProps) {
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
  return (
    <section aria-label={title} className="rounded-l border border-line bg-sheet px-5 pt-3.5 pb-4 shadow-1">
      <h2 className="mb-2.5 flex justify-between font-semibold">
        {title}
        <span className="text-ink-3 tabular">{formatCompact(all)}</span>
      </h2>
      {all === 0 && <p className="text-body text-ink-3">{none}</p>}
      <ul className="flex flex-col gap-3">
        {ranked(counts).map(([word, count]) => {
          const { name, note } = told(word);
          return (
            <li key={word} className="text-body">
              <p className="flex justify-between gap-3">
                <span className="font-medium first-letter:uppercase">{name}</span>
                <span className="shrink-0 tabular">
                  {formatCompact(count)} <span className="text-ink-3">· {shareOf(count, all)}</span>
                </span>
              </p>
              <div aria-hidden="true" className="mt-1 h-1 overflow-hidden rounded-full bg-press">
                <div className={`h-full rounded-full ${colour}`} style={{ width: `${(count / all) * 100}%` }} />
              </div>
              {note && <p className="mt-1 text-small text-ink-3">{withCode(note)}</p>}
            </li>
          );
        })}
      </ul>
    </section>
  );
}
