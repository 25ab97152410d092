import { useQuery } from "@tanstack/react-query";
import { Figure, Figures } from "@/components/figures";
import { Sparkline } from "@/components/sparkline";
import type { CacheStats } from "@/control/cache";
import { useCurrentWorkspace } from "@/control/current";
import { useMay, useMe } from "@/control/me";
import { usageQuery } from "@/control/usage";
import { formatCompact } from "@/lib/format";
import { formatExact } from "@/lib/money";
import { formatAgo, formatMoment } from "@/lib/time";
import { spanOf } from "@/usage/spans";
import { ratesOf } from "./trend";
import { rateText } from "./words";

const MINUTE_S = 60;

/** How often it answers and what that saved, since the server began and over a month. */
export function CacheFigures({ stats, now }: { stats: CacheStats; now: number }) {
  const hits = sumOf(stats.hits);
  const calls = hits + sumOf(stats.misses) - (stats.misses.refresh ?? 0);
  const { saved } = stats;
  return (
    <Figures>
      <Figure
        name="Hit rate"
        value={rateText(stats.hit_rate)}
        line={<Sparkline values={ratesOf(stats.trend, now)} label="Hit rate in the last hour" />}
      >
        {calls === 0 ? "No calls yet" : `${formatCompact(hits)} of ${formatCompact(calls)} calls`}
      </Figure>
      <Figure name="Saved since the start" value={formatExact(saved.usd)} exact={`$${saved.usd}`}>
        <span title={formatMoment(stats.since)}>
          {formatCompact(saved.input_tokens + saved.output_tokens)} tokens; began {formatAgo(stats.since, now)}
        </span>
      </Figure>
      <Month everything={stats.everything} now={now} />
    </Figures>
  );
}

function sumOf(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, one) => sum + one, 0);
}

/** What the ledger has of a month: it outlives the process. */
function Month({ everything, now }: { everything: boolean; now: number }) {
  const me = useMe();
  const workspace = useCurrentWorkspace();
  const maySee = useMay("usage:read");
  const { from, to } = spanOf("30d", Math.floor(now / MINUTE_S) * MINUTE_S);
  const filters: { workspace?: string } = everything || !workspace ? {} : { workspace: workspace.id };
  const organisationId = me && !me.is_operator ? me.organisation_id : undefined;
  const usage = useQuery({ ...usageQuery({ from, to, filters, organisationId }), enabled: maySee });
  const total = usage.data?.total;
  const missing = usage.isError ? "Cannot be told now" : "In 30 days";
  const without = maySee ? missing : "Needs usage:read";
  return (
    <>
      <Figure
        name="Saved in 30 days"
        value={total ? formatExact(total.saved_usd) : "–"}
        exact={total && `$${total.saved_usd}`}
      >
        {total ? "By answers given from here" : without}
      </Figure>
      <Figure
        name="By providers' caches"
        value={total ? formatExact(total.provider_cache_saved_usd) : "–"}
        exact={total && `$${total.provider_cache_saved_usd}`}
      >
        {total ? `In 30 days; ${formatCompact(total.cache_read_tokens)} tokens read again` : without}
      </Figure>
    </>
  );
}
