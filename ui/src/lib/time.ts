const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });
const moment = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});

const clock = new Intl.DateTimeFormat("en", {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const weekday = new Intl.DateTimeFormat("en", { weekday: "long", day: "numeric", month: "long", year: "numeric" });

/** 22:05:09 in the reader's time zone. */
export function formatClock(at: number): string {
  return clock.format(at * 1_000);
}

/** Saturday, November 21, 2026 */
export function formatWeekday(at: number): string {
  return weekday.format(at * 1_000);
}

/** 21 Nov 2026 in the reader's time zone, of seconds of Unix time. */
export function formatDay(at: number): string {
  return day.format(at * 1_000);
}

/** The day and the minute. */
export function formatMoment(at: number): string {
  return moment.format(at * 1_000);
}

function length(seconds: number): string {
  if (seconds < HOUR) return `${Math.round(seconds / MINUTE)} min`;
  if (seconds < DAY) return `${Math.round(seconds / HOUR)} h`;
  const days = Math.round(seconds / DAY);
  return days === 1 ? "1 day" : `${days} days`;
}

/** "5 min ago", "in 3 days". */
export function formatAgo(at: number, now: number = Date.now() / 1_000): string {
  const passed = now - at;
  if (Math.abs(passed) < MINUTE) return passed < 0 ? "in a moment" : "just now";
  return passed > 0 ? `${length(passed)} ago` : `in ${length(-passed)}`;
}

/** What a date field holds, `2026-11-21`, as the last second of that day in the reader's time zone. */
export function endOfDay(text: string): number | null {
  const said = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!said) return null;
  const [, year, month, date] = said.map(Number);
  const end = new Date(year ?? 0, (month ?? 1) - 1, date ?? 1, 23, 59, 59);
  return end.getDate() === date ? end.getTime() / 1_000 : null;
}

/** The day of a moment as a date field holds it. */
export function dayField(at: number): string {
  const when = new Date(at * 1_000);
  return `${when.getFullYear()}-${String(when.getMonth() + 1).padStart(2, "0")}-${String(when.getDate()).padStart(2, "0")}`;
}
