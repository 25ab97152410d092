import { useState } from "react";
import { AreaField, SelectField, SwitchField, TextField } from "@/components/fields";
import { Modal, ModalForm } from "@/components/modal";
import { createWorkspace, updateWorkspace, useDoing } from "@/control/directory";
import type { Capture, Workspace } from "@/control/types";
import { type Draft, draftOf, NEW_DRAFT, problemsOf, settingsOf, slugOf, wishOf } from "./draft";

const CAPTURES = [
  { value: "none", name: "Nothing" },
  { value: "metadata", name: "Who, when, which model, how much" },
  { value: "content", name: "That, and prompts and answers" },
] as const;

interface WorkspaceFormProps {
  /** The one that is edited; none for a new one. */
  workspace: Workspace | undefined;
  templates: Workspace[];
  onClose: () => void;
}

export function WorkspaceForm({ workspace, templates, onClose }: WorkspaceFormProps) {
  const [draft, setDraft] = useState<Draft>(workspace ? draftOf(workspace) : NEW_DRAFT);
  const [touched, setTouched] = useState(false);
  const doing = useDoing(["workspaces"], (wish: Draft) =>
    workspace ? updateWorkspace(workspace, wishOf(wish)) : createWorkspace(wishOf(wish)),
  );
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const problems = problemsOf(draft);
  const submit = () => {
    setTouched(true);
    if (Object.keys(problems).length === 0) doing.mutate(draft, { onSuccess: onClose });
  };
  return (
    <Modal
      open
      onClose={onClose}
      title={workspace ? `Settings of ${workspace.name}` : "New workspace"}
      description={workspace ? "" : "Keys, members, limits and usage of a workspace are its own."}
      wide
    >
      <ModalForm
        verb={workspace ? "Save" : "Create"}
        busy={doing.isPending}
        error={doing.error}
        onSubmit={submit}
        onCancel={onClose}
      >
        <NameFields draft={draft} change={change} isNew={!workspace} problem={touched ? problems.slug : undefined} />
        {!workspace && templates.length > 0 && (
          <SelectField
            label="Template"
            note="Its settings are copied, and can be changed here."
            value={draft.templateId}
            choices={[{ value: "", name: "None" }, ...templates.map((one) => ({ value: one.id, name: one.name }))]}
            onChange={(templateId) => {
              const template = templates.find(({ id }) => id === templateId);
              change({ templateId, ...(template ? settingsOf(template) : {}) });
            }}
          />
        )}
        <SettingFields draft={draft} change={change} retentionProblem={problems.retentionDays} />
        <SwitchField
          label="Template"
          note="Not for work: new workspaces may begin with its settings."
          on={draft.isTemplate}
          onChange={(isTemplate) => change({ isTemplate })}
        />
      </ModalForm>
    </Modal>
  );
}

interface PartProps {
  draft: Draft;
  change: (part: Partial<Draft>) => void;
}

function NameFields({ draft, change, isNew, problem }: PartProps & { isNew: boolean; problem: string | undefined }) {
  const onName = (name: string) =>
    change(isNew && draft.slug === slugOf(draft.name) ? { name, slug: slugOf(name) } : { name });
  return (
    <>
      <div className="grid gap-5 sm:grid-cols-2">
        <TextField label="Name" value={draft.name} onChange={onName} maxLength={200} placeholder="Research" />
        <TextField
          label="Short name"
          mono
          value={draft.slug}
          onChange={(slug) => change({ slug })}
          problem={problem}
          placeholder="research"
        />
      </div>
      <AreaField
        label="Description"
        rows={2}
        value={draft.description}
        onChange={(description) => change({ description })}
      />
    </>
  );
}

function SettingFields({ draft, change, retentionProblem }: PartProps & { retentionProblem: string | undefined }) {
  return (
    <>
      <div className="grid gap-5 sm:grid-cols-2">
        <TextField
          label="Default model"
          mono
          value={draft.defaultModel}
          onChange={(defaultModel) => change({ defaultModel })}
          placeholder="As the server has it"
          note="For calls that name none."
        />
        <TextField
          label="Retention"
          inputMode="numeric"
          suffix="days"
          value={draft.retentionDays}
          onChange={(retentionDays) => change({ retentionDays })}
          problem={retentionProblem}
          placeholder="As the server has it"
          note="How long what is kept of calls stays."
        />
      </div>
      <AreaField
        label="Allowed models"
        mono
        rows={3}
        value={draft.allowedModels}
        onChange={(allowedModels) => change({ allowedModels })}
        placeholder={"openai/*\nlocal/smollm2"}
        note="One on each line; `*` stands for anything. Empty allows all."
      />
      <SelectField
        label="Kept of each call"
        value={draft.capture}
        choices={CAPTURES}
        onChange={(capture) => change({ capture: capture as Capture })}
      />
      <SwitchField
        label="Caching"
        note="Whether answers may come from a cache."
        on={draft.caching}
        onChange={(caching) => change({ caching })}
      />
    </>
  );
}
