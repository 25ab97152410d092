const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** 12,345 */
export function formatCount(count: number): string {
  return whole.format(count);
}

/** 12.3K from ten thousand up, exact below. */
export function formatCompact(count: number): string {
  return Math.abs(count) < 10_000 ? whole.format(count) : compact.format(count);
}

/** 128K for 128,000 tokens and for 131,072: windows are round in one of the two ways, and people name them so. */
export function formatWindow(tokens: number): string {
  if (tokens >= 1_000_000) return `${trimmed(tokens / (tokens % 1_048_576 === 0 ? 1_048_576 : 1_000_000))}M`;
  if (tokens >= 1_000) return `${trimmed(tokens / (tokens % 1_000 !== 0 && tokens % 1_024 === 0 ? 1_024 : 1_000))}K`;
  return String(tokens);
}

function trimmed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}

/** 84 ms, 1.24 s, 12.4 s */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1_000;
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** 42 s, 12 min, 3 h 05 min, 2 d 4 h */
export function formatUptime(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** The figure and its unit apart, since they are set in two sizes: ["84.2", "MB"]. */
export function formatBytes(bytes: number): [string, string] {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  return [value.toFixed(unit === 0 || value >= 100 ? 0 : 1), units[unit] ?? "B"];
}
