import type { CacheStats } from "@/control/cache";
import { formatCompact, formatCount } from "@/lib/format";
import { Chart, colourOf, Swatch } from "@/usage/chart";
import { callsOver, OTHERS } from "./trend";
import { tierName } from "./words";

function nameOf(value: string | null): string {
  if (value === null) return "Not answered";
  return value === OTHERS ? "Joined and others" : tierName(value);
}

/** The calls of the last hour, minute by minute, by the tier that answered them. */
export function Trend({ stats, now }: { stats: CacheStats; now: number }) {
  const data = callsOver(stats, now);
  return (
    <section
      aria-labelledby="last-hour"
      className="rounded-l border border-line bg-sheet px-4 pt-3.5 pb-4 shadow-1 sm:px-5"
    >
      <h2 id="last-hour" className="mb-3 font-semibold">
        Calls in the last hour
      </h2>
      {data.most === 0 ? (
        <p className="py-16 text-center text-ink-3">None that might have been answered.</p>
      ) : (
        <Chart
          data={data}
          step="minute"
          nameOf={nameOf}
          format={formatCount}
          formatShort={formatCompact}
          label="Calls in each minute of the last hour, by what answered them"
        />
      )}
      <ul className="mt-3 flex flex-wrap gap-x-4 gap-y-1.5 text-small text-ink-2">
        {data.series.map(
          ({ value, total }, place) =>
            (total > 0 || value !== OTHERS) && (
              <li key={value ?? "none"} className="flex min-w-0 items-center gap-1.5">
                <Swatch colour={colourOf(place, value)} />
                {nameOf(value)}
                <span className="text-ink-3 tabular">{formatCompact(total)}</span>
              </li>
            ),
        )}
      </ul>
    </section>
  );
}
