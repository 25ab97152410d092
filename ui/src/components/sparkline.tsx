const WIDTH = 72;
const HEIGHT = 24;
const FEWEST = 3;

/** A line without axes: the shape of the last minutes, nothing more. */
export function Sparkline({ values, label }: { values: number[]; label: string }) {
  if (values.length < FEWEST) return null;
  const most = Math.max(...values);
  const least = Math.min(...values, 0);
  const span = most - least || 1;
  const points = values.map((value, index) => {
    const x = (index / (values.length - 1)) * WIDTH;
    const y = HEIGHT - 1.5 - ((value - least) / span) * (HEIGHT - 3);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg role="img" aria-label={label} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT}>
      <polygon points={`0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}`} fill="var(--accent)" opacity="0.09" />
      <polyline
        points={points.join(" ")}
        fill="none"
        stroke="var(--accent)"
        strokeWidth="1.25"
        strokeLinejoin="round"
      />
    </svg>
  );
}
