import { wordsIn } from "@/components/fields";
import type { Limit, LimitChange, LimitWish, Measure, Period, SubjectKind, Window } from "@/control/limits";
import { isLevel } from "./words";

/** A limit as its form holds it. */
export interface Draft {
  everywhere: boolean;
  kind: SubjectKind;
  subject: string;
  measure: Measure;
  amount: string;
  period: Period;
  window: Window;
  burst: string;
  hard: boolean;
  alerts: string;
  enabled: boolean;
}

export function newDraft(workspaceId: string): Draft {
  return {
    everywhere: false,
    kind: "workspace",
    subject: workspaceId,
    measure: "cost_microusd",
    amount: "",
    period: "month",
    window: "calendar",
    burst: "",
    hard: true,
    alerts: "80, 100",
    enabled: true,
  };
}

export function draftOf(limit: Limit): Draft {
  return {
    everywhere: limit.workspace_id === null,
    kind: limit.subject_kind,
    subject: limit.subject,
    measure: limit.measure,
    amount:
      limit.measure === "cost_microusd" ? (limit.amount_usd ?? String(limit.amount / 1_000_000)) : String(limit.amount),
    period: limit.period,
    window: limit.window,
    burst: limit.burst === null ? "" : String(limit.burst),
    hard: limit.hard,
    alerts: limit.alert_percents.join(", "),
    enabled: limit.enabled,
  };
}

const MOST = 2 ** 53 - 1;
const MICRO = 6;

/** An amount as the form has it in the unit of the API: dollars become microdollars, exactly. */
export function amountIn(text: string, measure: Measure): number | undefined {
  const said = /^(\d+)(?:\.(\d+))?$/.exec(text.trim().replaceAll(",", ""));
  if (!said) return undefined;
  const [, integer = "0", decimals = ""] = said;
  if (measure !== "cost_microusd") return decimals === "" && Number(integer) <= MOST ? Number(integer) : undefined;
  if (decimals.length > MICRO) return undefined;
  const amount = Number(integer + decimals.padEnd(MICRO, "0"));
  return amount <= MOST ? amount : undefined;
}

/** Whether what is counted may come in evenly, with a burst. */
export function takesBurst({ measure, period, window }: Draft): boolean {
  return !isLevel(measure) && window === "rolling" && (period === "second" || period === "minute");
}

/** Whether it lasts long enough for an alert to be read before it is over. */
export function takesAlerts({ measure, period }: Draft): boolean {
  return measure !== "parallel" && (isLevel(measure) || (period !== "second" && period !== "minute"));
}

function alertsIn(text: string): number[] | undefined {
  const found = wordsIn(text.replaceAll("%", "")).map(Number);
  return found.every((one) => Number.isInteger(one) && one >= 1 && one <= 1_000) ? found : undefined;
}

/** What will not do, by the name of the field. */
export function problemsOf(draft: Draft): Partial<Record<keyof Draft, string>> {
  const problems: Partial<Record<keyof Draft, string>> = {};
  if (draft.subject.trim() === "") problems.subject = "Say whom it concerns, or * for each separately.";
  else if (draft.kind === "tag" && !/^[^=]+=.+$/.test(draft.subject.trim())) {
    problems.subject = "Write name=value, or name=* for each value separately.";
  }
  if (amountIn(draft.amount, draft.measure) === undefined) {
    problems.amount =
      draft.measure === "cost_microusd"
        ? "An amount in dollars, with at most six decimals; with 0 nothing passes."
        : "A whole number; with 0 nothing passes.";
  }
  if (takesBurst(draft) && draft.burst.trim() !== "" && !(amountIn(draft.burst, draft.measure) ?? 0)) {
    problems.burst = "A number above zero, or nothing.";
  }
  if (takesAlerts(draft) && !alertsIn(draft.alerts)) problems.alerts = "Whole percentages from 1 to 1000.";
  return problems;
}

export function changeOf(draft: Draft): LimitChange {
  const level = isLevel(draft.measure);
  return {
    amount: amountIn(draft.amount, draft.measure) ?? 0,
    period: level ? "total" : draft.period,
    window: level || draft.period === "total" ? "calendar" : draft.window,
    burst: takesBurst(draft) && draft.burst.trim() !== "" ? (amountIn(draft.burst, draft.measure) ?? null) : null,
    hard: draft.hard,
    alert_percents: takesAlerts(draft) ? (alertsIn(draft.alerts) ?? []).toSorted((one, other) => one - other) : [],
    enabled: draft.enabled,
  };
}

export function wishOf(draft: Draft, workspaceId: string): LimitWish {
  return {
    ...changeOf(draft),
    workspace_id: draft.everywhere ? null : workspaceId,
    subject_kind: draft.kind,
    subject: draft.subject.trim(),
    measure: draft.measure,
  };
}
