import type { HealthStatus } from "@/lib/api";

const DOTS: Record<HealthStatus, string> = {
  ok: "bg-good",
  idle: "bg-transparent ring-[1.5px] ring-inset ring-good",
  loading: "bg-warn animate-breathe",
  degraded: "bg-warn",
  down: "bg-bad",
  unknown: "bg-transparent ring-[1.5px] ring-inset ring-ink-3",
};

const NAMES: Record<HealthStatus, string> = {
  ok: "Ready",
  idle: "Idle",
  loading: "Loading",
  degraded: "Degraded",
  down: "Down",
  unknown: "Not checked",
};

const TEXTS: Record<HealthStatus, string> = {
  ok: "text-good-text",
  idle: "text-ink-2",
  loading: "text-warn-text",
  degraded: "text-warn-text",
  down: "text-bad-text",
  unknown: "text-ink-3",
};

/** A dot whose meaning is also in its name. */
export function HealthDot({ status }: { status: HealthStatus }) {
  return (
    <span
      role="img"
      aria-label={NAMES[status] ?? status}
      className={`inline-block size-2 shrink-0 rounded-full ${DOTS[status] ?? DOTS.unknown}`}
    />
  );
}

export function HealthLabel({ status }: { status: HealthStatus }) {
  return (
    <span
      className={`inline-flex items-center gap-2 text-body font-medium whitespace-nowrap ${TEXTS[status] ?? TEXTS.unknown}`}
    >
      <span aria-hidden="true" className={`size-2 shrink-0 rounded-full ${DOTS[status] ?? DOTS.unknown}`} />
      {NAMES[status] ?? status}
    </span>
  );
}

/** A provider's mark: its first letter, under an arch. */
export function ProviderMark({ name, size = "m" }: { name: string; size?: "s" | "m" }) {
  const measure = size === "s" ? "h-5 w-4.5 text-[0.625rem]" : "h-9 w-8 text-base";
  const local = name === "local";
  return (
    <span
      aria-hidden="true"
      className={`arch inline-flex shrink-0 items-center justify-center border pt-[0.12em] font-[620] uppercase ${measure} ${local ? "border-accent-line bg-accent-soft text-accent-text" : "border-line-field bg-floor text-ink-2"}`}
    >
      {name.slice(0, 1)}
    </span>
  );
}
