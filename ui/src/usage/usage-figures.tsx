import { useQuery } from "@tanstack/react-query";
import { withCode } from "@/components/failure-card";
import { Figure, Figures } from "@/components/figures";
import { type Asked, forecastQuery, type Sums } from "@/control/usage";
import { mediaTexts } from "@/ledger/words";
import { formatCompact, formatCount } from "@/lib/format";
import { formatExact, formatUsd } from "@/lib/money";

/** The sums of all that is shown, and what the month will have cost. */
export function UsageFigures({ sums, asked }: { sums: Sums; asked: Asked }) {
  const { filters, organisationId } = asked;
  const forecast = useQuery(forecastQuery({ filters, organisationId })).data;
  return (
    <div>
      <Figures>
        <Figure name="Cost" value={formatUsd(sums.cost_microusd / 1_000_000)} exact={`$${sums.cost_usd}`}>
          {savedNote(sums)}
        </Figure>
        <Figure name="Tokens" value={formatCompact(sums.input_tokens + sums.output_tokens)}>
          {[
            `${formatCompact(sums.input_tokens)} in, ${formatCompact(sums.output_tokens)} out`,
            ...mediaTexts(sums),
          ].join(", ")}
        </Figure>
        <Figure name="Requests" value={formatCompact(sums.requests)}>
          {sums.failures > 0 ? `${formatCount(sums.failures)} attempts without a whole answer` : "All answered whole"}
        </Figure>
        <Figure name="This month, expected" value={forecast ? formatExact(forecast.expected_usd) : "–"}>
          {forecast ? expectedNote(forecast) : "Not known yet"}
        </Figure>
      </Figures>
      <Caveats sums={sums} />
    </div>
  );
}

/** What caching saved: here, and at the providers, whose prices for what they read again are lower. */
export function savedNote(sums: Pick<Sums, "saved_usd" | "provider_cache_saved_usd">): string {
  const saved = Number(sums.saved_usd) + Number(sums.provider_cache_saved_usd);
  return saved > 0 ? `${formatUsd(saved)} saved by caching` : "Nothing saved by caching";
}

/** Between what it will lie, or what is missing to say so. */
export function expectedNote(forecast: { low_usd: string | null; high_usd: string | null; spent_usd: string }): string {
  const { low_usd: low, high_usd: high, spent_usd: spent } = forecast;
  if (low !== null && high !== null) return `${formatExact(low)} to ${formatExact(high)} in four of five cases`;
  return `${formatExact(spent)} so far; a week is needed for more than its rate`;
}

/** What is not exact in these sums, and what is not in them. */
export function caveatsOf(sums: Sums): string[] {
  const caveats: string[] = [];
  if (sums.estimated_attempts > 0) {
    const calls = sums.estimated_attempts === 1 ? "one attempt" : `${formatCount(sums.estimated_attempts)} attempts`;
    caveats.push(
      `Tokens of ${calls} are estimates, since the provider did not tell them: ${formatExact(sums.estimated_cost_usd)} of the cost rests on these.`,
    );
  }
  if (sums.unpriced_tokens > 0) {
    caveats.push(
      `${formatCount(sums.unpriced_tokens)} tokens have no known price and are not in the cost; set one under \`prices\`.`,
    );
  } else if (sums.unpriced_attempts > 0) {
    caveats.push(
      `What ${formatCount(sums.unpriced_attempts)} attempts consumed has no known price and is not in the cost; set one under \`prices\`.`,
    );
  }
  return caveats;
}

export function Caveats({ sums }: { sums: Sums }) {
  return (
    <ul className="mt-2.5 flex flex-col gap-1 text-small text-warn-text empty:hidden">
      {caveatsOf(sums).map((caveat) => (
        <li key={caveat}>{withCode(caveat)}</li>
      ))}
    </ul>
  );
}
