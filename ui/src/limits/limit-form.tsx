import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Choice, SelectField, SwitchField, TextField } from "@/components/fields";
import { Modal, ModalForm } from "@/components/modal";
import { keysQuery, membersQuery, useDoing, usersQuery } from "@/control/directory";
import {
  createLimit,
  type Limit,
  type Measure,
  type Period,
  type SubjectKind,
  updateLimit,
  type Window,
} from "@/control/limits";
import type { Workspace } from "@/control/types";
import { nameOf, peopleOf } from "@/members/people";
import { changeOf, type Draft, draftOf, newDraft, problemsOf, takesAlerts, takesBurst, wishOf } from "./draft";
import { isLevel, KINDS, limitText, MEASURES, PERIODS } from "./words";

const choices = (names: Record<string, string>): Choice[] =>
  Object.entries(names).map(([value, name]) => ({ value, name }));
const CALL_MEASURES = choices(MEASURES).filter(({ value }) => value === "parallel" || !isLevel(value as Measure));
/** Nothing counts documents yet, and a limit of them is refused. */
const KEPT_MEASURES = choices(MEASURES).filter(({ value }) => value !== "documents");
const QUOTAS: readonly string[] = ["organisation", "workspace"];

interface LimitFormProps {
  workspace: Workspace;
  /** The one that is edited; none for a new one. */
  edited: Limit | undefined;
  onClose: () => void;
}

export function LimitForm({ workspace, edited, onClose }: LimitFormProps) {
  const [draft, setDraft] = useState<Draft>(edited ? draftOf(edited) : newDraft(workspace.id));
  const [touched, setTouched] = useState(false);
  const doing = useDoing(["limits"], (wish: Draft) =>
    edited ? updateLimit(edited, changeOf(wish)) : createLimit(wishOf(wish, workspace.id)),
  );
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const problems = problemsOf(draft);
  const submit = () => {
    setTouched(true);
    if (Object.keys(problems).length === 0) doing.mutate(draft, { onSuccess: onClose });
  };
  const shown = touched ? problems : {};
  return (
    <Modal
      open
      onClose={onClose}
      title={edited ? "Change a limit" : "New limit"}
      description={edited ? limitText(edited) : "A call passes if every limit that concerns it has room."}
      wide
    >
      <ModalForm
        verb={edited ? "Save" : "Create limit"}
        busy={doing.isPending}
        error={doing.error}
        onSubmit={submit}
        onCancel={onClose}
      >
        {!edited && <SubjectFields draft={draft} change={change} problem={shown.subject} workspace={workspace} />}
        <AmountFields draft={draft} change={change} problems={shown} isNew={!edited} />
        <SwitchField
          label="Hard"
          note="Refuses what goes beyond it. Otherwise it only tells, by alerts."
          on={draft.hard}
          onChange={(hard) => change({ hard })}
        />
        {edited && <SwitchField label="In force" on={draft.enabled} onChange={(enabled) => change({ enabled })} />}
      </ModalForm>
    </Modal>
  );
}

interface PartProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
}

/** What the subject is at first when its kind is chosen. */
function firstSubject(kind: SubjectKind, workspace: Workspace): string {
  if (kind === "workspace") return workspace.id;
  if (kind === "organisation") return workspace.organisation_id;
  return kind === "tag" || kind === "model" ? "" : "*";
}

function SubjectFields({
  draft,
  change,
  problem,
  workspace,
}: PartProps & { problem: string | undefined; workspace: Workspace }) {
  return (
    <>
      <div className="grid gap-5 sm:grid-cols-2">
        <SelectField
          label="Whose use is counted"
          value={draft.kind}
          choices={choices(KINDS)}
          onChange={(said) => {
            const kind = said as SubjectKind;
            change({ kind, subject: firstSubject(kind, workspace), everywhere: kind === "organisation" });
          }}
        />
        <SubjectField draft={draft} change={change} problem={problem} workspace={workspace} />
      </div>
      {!QUOTAS.includes(draft.kind) && (
        <SwitchField
          label="In all workspaces"
          note={`Otherwise it counts what is used in ${workspace.name}.`}
          on={draft.everywhere}
          onChange={(everywhere) => change({ everywhere })}
        />
      )}
    </>
  );
}

function SubjectField({
  draft,
  change,
  problem,
  workspace,
}: PartProps & { problem: string | undefined; workspace: Workspace }) {
  const known = useSubjects(draft.kind, workspace);
  const onChange = (subject: string) => change({ subject });
  if (known) {
    return (
      <SelectField
        label={KINDS[draft.kind]}
        value={draft.subject}
        choices={known}
        onChange={onChange}
        problem={problem}
      />
    );
  }
  const notes: Partial<Record<SubjectKind, string>> = {
    model: "`*` stands for anything; alone, for each separately.",
    tag: "`team=search`, or `team=*` for each value separately.",
    end_user: "The `user` of the request, or `*` for each separately.",
  };
  return (
    <TextField
      label={KINDS[draft.kind]}
      mono
      value={draft.subject}
      onChange={onChange}
      problem={problem}
      note={notes[draft.kind]}
      maxLength={200}
    />
  );
}

/** Those who can be named; nothing where it is written by hand. */
function useSubjects(kind: SubjectKind, workspace: Workspace): Choice[] | undefined {
  const keys = useQuery({ ...keysQuery(workspace.id), enabled: kind === "key" }).data ?? [];
  const members = useQuery({ ...membersQuery(workspace.id), enabled: kind === "member" }).data ?? [];
  const users = useQuery({ ...usersQuery, enabled: kind === "member" }).data ?? [];
  switch (kind) {
    case "organisation":
      return [{ value: workspace.organisation_id, name: "All of it" }];
    case "workspace":
      return [{ value: workspace.id, name: workspace.name }];
    case "key":
      return [
        { value: "*", name: "Each separately" },
        ...keys.filter((key) => key.revoked_at === null).map(({ id, name }) => ({ value: id, name })),
      ];
    case "member":
      return [
        { value: "*", name: "Each separately" },
        ...peopleOf(members, users).map((person) => ({ value: person.member.user_id, name: nameOf(person) })),
      ];
    default:
      return undefined;
  }
}

interface AmountFieldsProps extends PartProps {
  problems: Partial<Record<keyof Draft, string>>;
  isNew: boolean;
}

function AmountFields({ draft, change, problems, isNew }: AmountFieldsProps) {
  const measures = QUOTAS.includes(draft.kind) ? KEPT_MEASURES : CALL_MEASURES;
  const level = isLevel(draft.measure);
  return (
    <>
      <div className="grid gap-5 sm:grid-cols-2">
        <TextField
          label="Amount"
          inputMode="decimal"
          value={draft.amount}
          onChange={(amount) => change({ amount })}
          problem={problems.amount}
          suffix={isNew ? "" : MEASURES[draft.measure]}
          placeholder="20"
        />
        {isNew && (
          <SelectField
            label="Of what"
            value={draft.measure}
            choices={measures}
            onChange={(measure) => change({ measure: measure as Measure })}
          />
        )}
        {!level && (
          <SelectField
            label="In each"
            value={draft.period}
            choices={choices({ ...PERIODS, total: "Never filled again" })}
            onChange={(period) => change({ period: period as Period })}
          />
        )}
        {!level && draft.period !== "total" && (
          <SelectField
            label="Counted"
            value={draft.window}
            choices={[
              { value: "calendar", name: "By the calendar, in UTC" },
              { value: "rolling", name: "Over the time just past" },
            ]}
            onChange={(window) => change({ window: window as Window })}
          />
        )}
        {takesBurst(draft) && (
          <TextField
            label="Burst"
            inputMode="numeric"
            value={draft.burst}
            onChange={(burst) => change({ burst })}
            problem={problems.burst}
            note="How much may pass at once where the amount comes in evenly."
          />
        )}
      </div>
      {takesAlerts(draft) && (
        <TextField
          label="Alerts"
          suffix="percent"
          value={draft.alerts}
          onChange={(alerts) => change({ alerts })}
          problem={problems.alerts}
          note="Shares of the amount at which an alert is written, once in each period."
        />
      )}
    </>
  );
}
