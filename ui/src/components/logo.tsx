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

/** How far the arches recede, nearest first; the last is the lit door. */
const ARCHES = [
  { scale: 1, opacity: 0.16 },
  { scale: 0.8, opacity: 0.28 },
  { scale: 0.64, opacity: 0.44 },
  { scale: 0.512, opacity: 0.66 },
  { scale: 0.41, opacity: 0.92 },
];
const DOOR = 0.315;
const EYE = { x: 160, y: 142 };
const BAY = { halfWidth: 92, floor: 66, springing: -40 };

/** A row of arches seen along its axis, with light at the end: the hall that every request passes through. */
export function Enfilade({ className = "" }: { className?: string }) {
  return (
    <svg viewBox="0 0 320 214" className={`overflow-visible ${className}`} aria-hidden="true" focusable="false">
      <defs>
        <radialGradient id="enfilade-light">
          <stop offset="0" stopColor="var(--glow)" stopOpacity="0.5" />
          <stop offset="0.45" stopColor="var(--glow)" stopOpacity="0.15" />
          <stop offset="1" stopColor="var(--glow)" stopOpacity="0" />
        </radialGradient>
        <linearGradient id="enfilade-door" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="var(--glow)" />
          <stop offset="1" stopColor="var(--accent)" />
        </linearGradient>
        <linearGradient id="enfilade-floor" x1="0" y1="0" x2="0" y2="1">
          <stop offset="0" stopColor="var(--glow)" stopOpacity="0.55" />
          <stop offset="1" stopColor="var(--glow)" stopOpacity="0" />
        </linearGradient>
      </defs>
      <ellipse cx={EYE.x} cy={EYE.y - 14} rx="150" ry="118" fill="url(#enfilade-light)" />
      <path d={floorPath()} fill="url(#enfilade-floor)" />
      {ARCHES.map(({ scale, opacity }) => (
        <path
          key={scale}
          d={archPath(scale)}
          fill="none"
          stroke="var(--ink)"
          strokeOpacity={opacity}
          strokeWidth="1.2"
        />
      ))}
      <path d={`${archPath(DOOR)}Z`} fill="url(#enfilade-door)" />
    </svg>
  );
}

function archPath(scale: number): string {
  const radius = BAY.halfWidth * scale;
  const floor = EYE.y + BAY.floor * scale;
  const springing = EYE.y + BAY.springing * scale;
  return `M${EYE.x - radius} ${floor}V${springing}A${radius} ${radius} 0 0 1 ${EYE.x + radius} ${springing}V${floor}`;
}

/** The light that falls from the door towards the beholder. */
function floorPath(): string {
  const near = BAY.halfWidth * 0.86;
  const far = BAY.halfWidth * DOOR;
  const [front, back] = [EYE.y + BAY.floor, EYE.y + BAY.floor * DOOR];
  return `M${EYE.x - far} ${back}H${EYE.x + far}L${EYE.x + near} ${front}H${EYE.x - near}Z`;
}
