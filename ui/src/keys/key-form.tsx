import { useState } from "react";
import { AreaField, Checks, SelectField, TextField } from "@/components/fields";
import { Modal, ModalForm } from "@/components/modal";
import { createKey, updateKey, useDoing } from "@/control/directory";
import type { Key, NewKey, Workspace } from "@/control/types";
import { dayField } from "@/lib/time";
import { type Draft, draftOf, NEW_DRAFT, problemsOf, wishOf } from "./draft";

const ROUTES = [
  { value: "chat", name: "Chat" },
  { value: "responses", name: "Responses" },
  { value: "embeddings", name: "Embeddings" },
  { value: "realtime", name: "Realtime" },
  { value: "streams", name: "Streams" },
  { value: "models", name: "Models" },
  { value: "control", name: "Control API" },
];
const PERMISSIONS = ["usage:read", "keys:read", "limits:read", "requests:read", "workspaces:read"].map((value) => ({
  value,
  name: value,
}));
const PRIORITIES = [
  { value: "low", name: "Low: is the first to wait" },
  { value: "normal", name: "Normal" },
  { value: "high", name: "High: is the last to wait" },
];

interface KeyFormProps {
  workspace: Workspace;
  /** The one that is edited; none for a new one. */
  edited: Key | undefined;
  onMade: (made: NewKey) => void;
  onClose: () => void;
}

export function KeyForm({ workspace, edited, onMade, onClose }: KeyFormProps) {
  const [draft, setDraft] = useState<Draft>(edited ? draftOf(edited) : NEW_DRAFT);
  const [touched, setTouched] = useState(false);
  const doing = useDoing(["keys"], async (wish: Draft) => {
    if (edited) {
      await updateKey(edited, wishOf(wish));
      return onClose();
    }
    return onMade(await createKey({ ...wishOf(wish), workspace_id: workspace.id }));
  });
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const problems = problemsOf(draft);
  const submit = () => {
    setTouched(true);
    if (Object.keys(problems).length === 0) doing.mutate(draft);
  };
  return (
    <Modal
      open
      onClose={onClose}
      title={edited ? `Change ${edited.name}` : "New key"}
      description={`For the workspace ${workspace.name}. What is left empty bounds nothing.`}
      wide
    >
      <ModalForm
        verb={edited ? "Save" : "Create key"}
        busy={doing.isPending}
        error={doing.error}
        onSubmit={submit}
        onCancel={onClose}
      >
        <div className="grid gap-5 sm:grid-cols-2">
          <TextField
            label="Name"
            value={draft.name}
            onChange={(name) => change({ name })}
            problem={touched ? problems.name : undefined}
            maxLength={200}
            placeholder="Nightly evaluation"
          />
          <TextField
            label="Last day"
            type="date"
            min={dayField(Date.now() / 1_000)}
            value={draft.expires}
            onChange={(expires) => change({ expires })}
            problem={problems.expires}
            note="It opens nothing after that day; empty for ever."
          />
        </div>
        <ScopeFields draft={draft} change={change} tagProblem={problems.tags} />
      </ModalForm>
    </Modal>
  );
}

interface ScopeFieldsProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
  tagProblem: string | undefined;
}

function ScopeFields({ draft, change, tagProblem }: ScopeFieldsProps) {
  return (
    <>
      <div className="grid gap-5 sm:grid-cols-2">
        <AreaField
          label="Models"
          mono
          value={draft.models}
          onChange={(models) => change({ models })}
          placeholder="openai/*"
          note="One on each line; `*` stands for anything."
        />
        <AreaField
          label="Addresses"
          mono
          value={draft.addresses}
          onChange={(addresses) => change({ addresses })}
          placeholder="10.0.0.0/8"
          note="Networks that it may be used from."
        />
      </div>
      <Checks label="Routes" choices={ROUTES} chosen={draft.routes} onChange={(routes) => change({ routes })} />
      <Checks
        label="Permissions"
        choices={withOthers(draft.permissions)}
        chosen={draft.permissions}
        onChange={(permissions) => change({ permissions })}
        note="Beside calling models. You can give only what you have yourself."
      />
      <div className="grid gap-5 sm:grid-cols-2">
        <AreaField
          label="Tags"
          mono
          rows={2}
          value={draft.tags}
          onChange={(tags) => change({ tags })}
          problem={tagProblem}
          placeholder="team=search"
          note="One on each line; usage can be told apart by them."
        />
        <SelectField
          label="Priority"
          value={draft.priority}
          choices={PRIORITIES}
          onChange={(priority) => change({ priority: priority as Key["priority"] })}
          note="When there are more calls than places."
        />
      </div>
    </>
  );
}

/** Permissions that a key has already can be taken from it, whichever they are. */
function withOthers(chosen: string[]) {
  const known = new Set(PERMISSIONS.map(({ value }) => value));
  return [...PERMISSIONS, ...chosen.filter((one) => !known.has(one)).map((value) => ({ value, name: value }))];
}
