import { FileUp } from "lucide-react";
import { useId, useState } from "react";
import { TextField } from "@/components/fields";
import { Modal, ModalForm } from "@/components/modal";
import { exportWorkspace, importWorkspaces, useDoing } from "@/control/directory";
import type { Workspace } from "@/control/types";
import { saveFile } from "@/lib/files";
import { documentIn, isSealed, passphraseProblem, type WorkspaceDocument } from "./document";

export function ExportWorkspace({ workspace, onClose }: { workspace: Workspace; onClose: () => void }) {
  const [passphrase, setPassphrase] = useState("");
  const doing = useDoing([], async () => {
    const document = await exportWorkspace(workspace.id, passphrase);
    const text = `${JSON.stringify(document, null, 2)}\n`;
    saveFile(new File([text], `narthex-${workspace.slug}.json`, { type: "application/json" }));
  });
  return (
    <Modal
      open
      onClose={onClose}
      title={`Export ${workspace.name}`}
      description="Its settings, roles, limits and keys as a file, to be imported here or elsewhere."
    >
      <ModalForm
        verb="Export"
        busy={doing.isPending}
        error={doing.error}
        blocked={passphraseProblem(passphrase) !== undefined}
        onSubmit={() => doing.mutate(undefined, { onSuccess: onClose })}
        onCancel={onClose}
      >
        <TextField
          label="Passphrase"
          type="password"
          autoComplete="new-password"
          value={passphrase}
          onChange={setPassphrase}
          problem={passphraseProblem(passphrase)}
          note="Seals what keys are held by, so that they are good where the file is imported. Without one they are left out."
        />
      </ModalForm>
    </Modal>
  );
}

export function ImportWorkspaces({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [document, setDocument] = useState<WorkspaceDocument>();
  const [problem, setProblem] = useState<string>();
  const [passphrase, setPassphrase] = useState("");
  const doing = useDoing(["workspaces", "roles"], (wish: WorkspaceDocument) => importWorkspaces(wish, passphrase));
  const take = async (file: File | undefined) => {
    if (!file) return;
    const found = documentIn(await file.text());
    setName(file.name);
    setDocument("document" in found ? found.document : undefined);
    setProblem("problem" in found ? found.problem : undefined);
  };
  return (
    <Modal
      open
      onClose={onClose}
      title="Import workspaces"
      description="Makes the workspaces of a file that was exported, all or nothing."
    >
      <ModalForm
        verb="Import"
        busy={doing.isPending}
        error={doing.error}
        blocked={!document}
        onSubmit={() => document && doing.mutate(document, { onSuccess: onClose })}
        onCancel={onClose}
      >
        <FileField name={name} problem={problem} onTake={(file) => void take(file)} />
        {document && isSealed(document) && (
          <TextField
            label="Passphrase"
            type="password"
            value={passphrase}
            onChange={setPassphrase}
            note="With which it was exported."
          />
        )}
      </ModalForm>
    </Modal>
  );
}

interface FileFieldProps {
  name: string;
  problem: string | undefined;
  onTake: (file: File | undefined) => void;
}

function FileField({ name, problem, onTake }: FileFieldProps) {
  const id = useId();
  return (
    <div>
      <label
        htmlFor={id}
        className="flex cursor-pointer flex-col items-center gap-2 rounded-l border border-dashed border-line-strong px-4 py-8 text-body text-ink-2 transition-colors hover:bg-hover has-focus-visible:outline-2 has-focus-visible:outline-accent"
      >
        <FileUp className="size-5 text-ink-3" aria-hidden="true" />
        <span className="font-medium">{name || "Choose a file"}</span>
        <input
          id={id}
          type="file"
          accept="application/json,.json"
          aria-describedby={`${id}-problem`}
          onChange={(event) => onTake(event.target.files?.[0])}
          className="sr-only"
        />
      </label>
      <p id={`${id}-problem`} role="status" className="mt-1.5 text-small text-bad-text empty:hidden">
        {problem}
      </p>
    </div>
  );
}
