/** The portico: an outer arch, and the lit doorway within. */
export function LogoMark({ className = "size-6" }: { className?: string }) {
  return (
    <svg viewBox="0 0 24 24" className={className} aria-hidden="true" focusable="false">
      <path
        d="M3.25 21V11.75a8.75 8.75 0 0 1 17.5 0V21"
        fill="none"
        stroke="currentColor"
        strokeWidth="1.9"
        strokeLinecap="round"
      />
      <path d="M8 22v-9.9a4 4 0 0 1 8 0V22z" fill="var(--accent)" />
    </svg>
  );
}

export function Wordmark() {
  return (
    <span className="flex items-center gap-2.5 text-ink">
      <LogoMark className="size-[1.375rem]" />
      <span className="text-[1.0625rem] font-[620] tracking-[-0.022em]">Narthex</span>
    </span>
  );
}

const ARCHES = [
  { x: 160, width: 268, top: 8, opacity: 0.2 },
  { x: 160, width: 212, top: 35, opacity: 0.32 },
  { x: 160, width: 164, top: 58, opacity: 0.48 },
  { x: 160, width: 124, top: 77, opacity: 0.68 },
  { x: 160, width: 92, top: 92, opacity: 0.9 },
];
const FLOOR = 168;

/** A row of arches seen along its axis, with light at the end: the hall that every request passes through. */
export function Enfilade({ className = "" }: { className?: string }) {
  return (
    <svg viewBox="0 0 320 190" className={className} aria-hidden="true" focusable="false">
      <defs>
        <radialGradient id="enfilade-light" cx="0.5" cy="0.62" r="0.62">
          <stop offset="0" stopColor="var(--glow)" stopOpacity="0.62" />
          <stop offset="0.42" stopColor="var(--glow)" stopOpacity="0.2" />
          <stop offset="1" stopColor="var(--glow)" stopOpacity="0" />
        </radialGradient>
        <linearGradient id="enfilade-door" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="var(--glow)" />
          <stop offset="1" stopColor="var(--accent)" />
        </linearGradient>
        <linearGradient id="enfilade-floor" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="var(--glow)" stopOpacity="0.5" />
          <stop offset="1" stopColor="var(--glow)" stopOpacity="0" />
        </linearGradient>
      </defs>
      <rect x="20" y="10" width="280" height="180" fill="url(#enfilade-light)" />
      <path d={`M140 ${FLOOR - 24}H180L214 190H106Z`} fill="url(#enfilade-floor)" />
      {ARCHES.map(({ x, width, top, opacity }, index) => (
        <path
          key={width}
          d={archPath(x, width, top, FLOOR - index * 4.6 + 4)}
          fill="none"
          stroke="var(--ink)"
          strokeOpacity={opacity}
          strokeWidth={1.15}
        />
      ))}
      <path d={`${archPath(160, 40, 117, FLOOR - 24)}Z`} fill="url(#enfilade-door)" />
    </svg>
  );
}

function archPath(x: number, width: number, top: number, floor: number): string {
  const radius = width / 2;
  return `M${x - radius} ${floor}V${top + radius}A${radius} ${radius} 0 0 1 ${x + radius} ${top + radius}V${floor}`;
}
