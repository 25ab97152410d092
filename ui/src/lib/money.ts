const grouped = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const CENTS = 0.995;

/** $1,234.50; below a dollar with the digits that tell something: $0.0123, $0.000042. */
export function formatUsd(dollars: number): string {
  const size = Math.abs(dollars);
  const sign = dollars < 0 ? "−" : "";
  if (size === 0) return "$0";
  if (size >= CENTS) return `${sign}$${grouped.format(size)}`;
  if (size < 0.000_000_1) return `under $0.0000001`;
  const places = Math.min(8, 2 - Math.floor(Math.log10(size)));
  return `${sign}$${size.toFixed(places).replace(/0+$/, "").replace(/\.$/, "")}`;
}

/** $1.2K on a scale, where room is short. */
export function formatUsdShort(dollars: number): string {
  if (dollars === 0) return "$0";
  if (dollars >= 10_000) return `$${new Intl.NumberFormat("en", { notation: "compact" }).format(dollars)}`;
  if (dollars >= 1) return `$${Number(dollars.toFixed(2)).toLocaleString("en")}`;
  const places = Math.min(8, Math.max(2, 1 - Math.floor(Math.log10(dollars))));
  return `$${dollars.toFixed(places).replace(/0+$/, "")}`;
}

/** An exact amount as the server tells it, for reading. */
export function formatExact(text: string): string {
  return formatUsd(Number(text));
}
