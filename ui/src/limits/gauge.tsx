import { Meter } from "@base-ui/react/meter";
import type { LimitUsage } from "@/control/limits";
import { amountText, gaugeOf, resetText } from "./words";

const COLOURS = { calm: "bg-good", near: "bg-warn", full: "bg-bad" };
const WORDS = { calm: "text-ink-2", near: "text-warn-text", full: "text-bad-text" };

interface GaugeBarProps {
  usage: Pick<LimitUsage, "measure" | "amount" | "used" | "reserved" | "resets_at">;
  /** Whose use it is, where a limit counts several separately. */
  name?: string;
  now: number;
}

/** How full a limit is, live: what is used, and beside it what calls under way have reserved. */
export function GaugeBar({ usage, name, now }: GaugeBarProps) {
  const { measure, amount, resets_at } = usage;
  // What is under way is all that there is of calls at once.
  const used = measure === "parallel" ? usage.used + usage.reserved : usage.used;
  const reserved = measure === "parallel" ? 0 : usage.reserved;
  const gauge = gaugeOf(used, reserved, amount);
  const said = `${amountText(measure, used)} of ${amountText(measure, amount)}`;
  return (
    <div className="min-w-44">
      <div className="mb-1 flex items-baseline justify-between gap-3 text-small tabular">
        <span className="min-w-0 truncate">
          {name && <span className="mr-2 font-medium">{name}</span>}
          <span className={WORDS[gauge.state]}>{said}</span>
        </span>
        <span className={`shrink-0 font-medium ${WORDS[gauge.state]}`}>{gauge.percent} %</span>
      </div>
      <Meter.Root
        aria-label={name ? `Used by ${name}` : "Used"}
        min={0}
        max={Math.max(amount, used, 1)}
        value={used}
        getAriaValueText={() => `${said}, ${gauge.percent} percent`}
        className="flex h-1.5 overflow-hidden rounded-full bg-press"
      >
        <span
          className={`h-full transition-[width] duration-300 ${COLOURS[gauge.state]}`}
          style={{ width: `${gauge.used * 100}%` }}
        />
        <span
          className={`h-full opacity-40 transition-[width] duration-300 ${COLOURS[gauge.state]}`}
          style={{ width: `${gauge.reserved * 100}%` }}
        />
      </Meter.Root>
      <p className="mt-1 text-small text-ink-3 tabular">
        {reserved > 0 && `${amountText(measure, reserved)} reserved, `}
        {used + reserved > 0 || measure === "parallel" ? resetText(resets_at, measure, now) : "nothing used"}
      </p>
    </div>
  );
}
