import { placesOf } from "@/lib/decimals";

interface CostProps {
  /** Exact, as text; null where no price is known. */
  usd: string | null;
  /** How many digits behind the point the longest of the column has. */
  places: number;
}

/** An amount to the last digit, its point below the others of the column. */
export function Cost({ usd, places }: CostProps) {
  if (usd === null) return <span className="text-warn-text">no price</span>;
  const missing = places - placesOf(usd) + (places > 0 && !usd.includes(".") ? 1 : 0);
  return (
    <span className={`whitespace-nowrap ${Number(usd) === 0 ? "text-ink-3" : ""}`}>
      ${usd}
      {missing > 0 && <span aria-hidden="true" className="invisible max-md:hidden" data-pad={padOf(usd, missing)} />}
    </span>
  );
}

function padOf(usd: string, missing: number): string {
  return usd.includes(".") ? "0".repeat(missing) : `.${"0".repeat(missing - 1)}`;
}
