/** Decimals of a dollar that the ledger keeps: picodollars. */
const PLACES = 12;

/** Picodollars of an exact amount as the server tells it. */
export function picodollars(text: string): bigint {
  const said = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text);
  if (!said) throw new RangeError(`${text} is no amount`);
  const [, sign, whole = "0", part = ""] = said;
  const size = BigInt(whole) * 10n ** BigInt(PLACES) + BigInt(part.padEnd(PLACES, "0").slice(0, PLACES));
  return sign ? -size : size;
}

/** `0.000612` of picodollars: exact, and with no more digits than it takes. */
export function exactText(amount: bigint): string {
  const size = amount < 0n ? -amount : amount;
  const digits = size.toString().padStart(PLACES + 1, "0");
  const part = digits.slice(-PLACES).replace(/0+$/, "");
  return `${amount < 0n ? "−" : ""}${digits.slice(0, -PLACES)}${part && `.${part}`}`;
}

/** How many digits stand behind the point. */
export function placesOf(text: string): number {
  return text.includes(".") ? text.length - text.indexOf(".") - 1 : 0;
}
