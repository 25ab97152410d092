import type { Limit, Measure, Period, SubjectKind } from "@/control/limits";
import { formatBytes, formatCompact } from "@/lib/format";
import { formatUsd } from "@/lib/money";
import { labelled } from "@/usage/labels";

export const MEASURES: Record<Measure, string> = {
  requests: "requests",
  tokens: "tokens",
  input_tokens: "input tokens",
  output_tokens: "output tokens",
  cost_microusd: "dollars",
  parallel: "calls at once",
  storage_bytes: "bytes stored",
  documents: "documents",
  collaborators: "collaborators",
  tasks: "tasks",
};

export const PERIODS: Record<Period, string> = {
  second: "second",
  minute: "minute",
  hour: "hour",
  day: "day",
  week: "week",
  month: "month",
  total: "total",
};

export const KINDS: Record<SubjectKind, string> = {
  organisation: "Organisation",
  workspace: "Workspace",
  member: "Member",
  key: "Key",
  model: "Model",
  tag: "Tag",
  end_user: "End user",
};

/** What there is at one time, rather than what goes by: it has no period. */
export function isLevel(measure: Measure): boolean {
  return ["parallel", "storage_bytes", "documents", "collaborators", "tasks"].includes(measure);
}

/** An amount in the unit of its measure: $20.00, 1.2M, 80.0 MB. */
export function amountText(measure: Measure, amount: number): string {
  if (measure === "cost_microusd") return formatUsd(amount / 1_000_000);
  if (measure === "storage_bytes") return formatBytes(amount).join(" ");
  return formatCompact(amount);
}

/** "$20.00 a month", "60 requests a minute", "4 calls at once". */
export function limitText({ measure, amount, period, window }: Limit): string {
  const said = amountText(measure, amount);
  const what = measure === "cost_microusd" || measure === "storage_bytes" ? said : `${said} ${MEASURES[measure]}`;
  if (isLevel(measure)) return what;
  if (period === "total") return `${what} in all`;
  if (window === "rolling") return `${what} in any ${period}`;
  return `${what} ${period === "hour" ? "an" : "a"} ${PERIODS[period]}`;
}

/** Whom a limit concerns, with names where they are known. */
export function subjectText(kind: SubjectKind, subject: string, names: ReadonlyMap<string, string>): string {
  const many: Record<SubjectKind, string> = {
    organisation: "Each organisation",
    workspace: "Each workspace",
    member: "Each member",
    key: "Each key",
    model: "Each model",
    tag: "Each tag",
    end_user: "Each end user",
  };
  if (subject === "*") return many[kind];
  if (kind === "tag" && subject.endsWith("=*")) return `Each ${subject.slice(0, -2)}`;
  return kind === "key" ? labelled("key", subject, names) : (names.get(subject) ?? subject);
}

export interface Gauge {
  /** Of the amount, from 0 to 1. */
  used: number;
  reserved: number;
  percent: number;
  state: "calm" | "near" | "full";
}

const NEAR_PERCENT = 80;

/** How full a limit is; calls under way count as what they have reserved. */
export function gaugeOf(used: number, reserved: number, amount: number): Gauge {
  if (amount <= 0) return { used: 1, reserved: 0, percent: 100, state: "full" };
  const share = Math.min(1, used / amount);
  const percent = Math.floor(((used + reserved) / amount) * 100);
  const state = percent >= 100 ? "full" : percent >= NEAR_PERCENT ? "near" : "calm";
  return { used: share, reserved: Math.min(1 - share, reserved / amount), percent, state };
}

/** "resets in 3 min", or what has to happen instead. */
export function resetText(resetsAt: number | null, measure: Measure, now: number): string {
  if (measure === "parallel") return "free when calls end";
  if (resetsAt === null) return isLevel(measure) ? "free when some are removed" : "never filled again";
  const seconds = Math.max(0, Math.round((resetsAt - now) / 1_000));
  if (seconds < 90) return `resets in ${seconds} s`;
  if (seconds < 5_400) return `resets in ${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `resets in ${Math.round(seconds / 3_600)} h`;
  return `resets in ${Math.round(seconds / 86_400)} days`;
}
