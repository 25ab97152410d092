import { Meter } from "@base-ui/react/meter";
import { Sparkline } from "@/components/sparkline";
import { Cell, NameCell, Row, Table } from "@/components/table";
import type { CacheStats, Tier } from "@/control/cache";
import { formatBytes, formatCompact, formatCount } from "@/lib/format";
import { formatExact } from "@/lib/money";
import { SectionHeading } from "@/overview/overview-page";
import { shareOf } from "@/usage/stacks";
import { fullnessOf, ratesOf } from "./trend";
import { latencyText, rateText, tierName } from "./words";

const COLUMNS = [
  { name: "Tier" },
  { name: "Hit rate" },
  { name: "A look takes" },
  { name: "Held" },
  { name: "Evicted", figures: true },
  { name: "Saved", figures: true },
];

/** How each tier does: they are looked into in their order, and what one does not have is looked for in the next. */
export function Tiers({ stats, now }: { stats: CacheStats; now: number }) {
  return (
    <section aria-labelledby="tiers">
      <SectionHeading id="tiers" title="Tiers">
        <p className="text-small text-ink-3">What one does not have is looked for in the next.</p>
      </SectionHeading>
      <Table label="Tiers" columns={COLUMNS}>
        {stats.tiers.map((tier) => (
          <TierRow key={tier.name} tier={tier} now={now} />
        ))}
      </Table>
    </section>
  );
}

function TierRow({ tier, now }: { tier: Tier; now: number }) {
  const { input_tokens, output_tokens, usd } = tier.saved;
  return (
    <Row>
      <NameCell>
        <span className="font-medium">{tierName(tier.name)}</span>
      </NameCell>
      <Cell name="Hit rate">
        <span className="flex items-center gap-4">
          <span>
            <span className="font-medium tabular">{rateText(tier.hit_rate)}</span>
            <span className="block text-small text-ink-3 tabular">
              {formatCompact(tier.hits)} of {formatCompact(tier.hits + tier.misses)}
            </span>
          </span>
          <Sparkline values={ratesOf(tier.trend, now)} label={`Hit rate of ${tierName(tier.name)} in the last hour`} />
        </span>
      </Cell>
      <Cell name="A look takes">
        <span className="tabular">{latencyText(tier.latency_p50_us)}</span>
        <span className="block text-small text-ink-3 tabular">99 % within {latencyText(tier.latency_p99_us)}</span>
      </Cell>
      <Cell name="Held">
        <Held tier={tier} />
      </Cell>
      <Cell name="Evicted" figures>
        {tier.evicted === null ? <span className="text-ink-3">–</span> : formatCount(tier.evicted)}
      </Cell>
      <Cell name="Saved" figures>
        <span title={`$${usd}`}>{formatExact(usd)}</span>
        <span className="block text-small text-ink-3">{formatCompact(input_tokens + output_tokens)} tokens</span>
      </Cell>
    </Row>
  );
}

function Held({ tier: { name, bytes, max_bytes: room, entries } }: { tier: Tier }) {
  if (bytes === null) return <span className="text-ink-3">Not counted</span>;
  const share = fullnessOf({ bytes, max_bytes: room });
  const held = formatBytes(bytes).join(" ");
  const said = room === null ? held : `${held} of ${formatBytes(room).join(" ")}`;
  return (
    <span className="block min-w-32">
      <span className="flex justify-between gap-3 tabular">
        {said}
        {share !== undefined && <span className="text-ink-3">{shareOf(share, 1)}</span>}
      </span>
      {share !== undefined && (
        <Meter.Root
          aria-label={`Room taken up in ${tierName(name)}`}
          min={0}
          max={100}
          value={share * 100}
          getAriaValueText={() => `${said}, ${shareOf(share, 1)}`}
          className="mt-1 flex h-1.5 overflow-hidden rounded-full bg-press"
        >
          <span className="h-full bg-accent" style={{ width: `${share * 100}%` }} />
        </Meter.Root>
      )}
      {entries !== null && (
        <span className="mt-1 block text-small text-ink-3 tabular">
          {entries === 1 ? "1 answer" : `${formatCount(entries)} answers`}
        </span>
      )}
    </span>
  );
}
