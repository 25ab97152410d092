import { useState } from "react";
import { SelectField, TextField } from "@/components/fields";
import { Modal, ModalForm } from "@/components/modal";
import { addMember, createUser, useDoing } from "@/control/directory";
import type { Member, Role, User, Workspace } from "@/control/types";
import { aboutRole, outside } from "./people";

const NEW_PERSON = "new:person";
const NEW_SERVICE = "new:service";

interface Draft {
  /** ID of a user, or one of the two words above. */
  who: string;
  name: string;
  email: string;
  role: string;
}

/** What will not do, by the name of the field. */
export function problemsOf(draft: Draft): Partial<Record<keyof Draft, string>> {
  const problems: Partial<Record<keyof Draft, string>> = {};
  const isNew = draft.who === NEW_PERSON || draft.who === NEW_SERVICE;
  if (isNew && draft.name.trim() === "") problems.name = "Give a name.";
  if (draft.who === NEW_PERSON && !/^[^\s@]+@[^\s@]+$/.test(draft.email.trim())) {
    problems.email = "People are known by their e-mail address.";
  }
  return problems;
}

async function take(workspaceId: string, draft: Draft): Promise<Member> {
  if (draft.who !== NEW_PERSON && draft.who !== NEW_SERVICE) {
    return addMember(workspaceId, { user_id: draft.who, role: draft.role });
  }
  const isPerson = draft.who === NEW_PERSON;
  const made = await createUser({
    name: draft.name.trim(),
    kind: isPerson ? "person" : "service",
    ...(isPerson ? { email: draft.email.trim() } : {}),
  });
  return addMember(workspaceId, { user_id: made.id, role: draft.role });
}

interface MemberFormProps {
  workspace: Workspace;
  members: Member[];
  users: User[];
  roles: Role[];
  onClose: () => void;
}

export function MemberForm({ workspace, members, users, roles, onClose }: MemberFormProps) {
  const others = outside(members, users);
  const [draft, setDraft] = useState<Draft>({ who: others[0]?.id ?? NEW_PERSON, name: "", email: "", role: "member" });
  const [touched, setTouched] = useState(false);
  const doing = useDoing(["members", "users"], (wish: Draft) => take(workspace.id, wish));
  const change = (part: Partial<Draft>) => setDraft((before) => ({ ...before, ...part }));
  const problems = problemsOf(draft);
  const submit = () => {
    setTouched(true);
    if (Object.keys(problems).length === 0) doing.mutate(draft, { onSuccess: onClose });
  };
  const role = roles.find(({ name }) => name === draft.role);
  return (
    <Modal open onClose={onClose} title={`Take somebody into ${workspace.name}`}>
      <ModalForm verb="Add" busy={doing.isPending} error={doing.error} onSubmit={submit} onCancel={onClose}>
        <SelectField
          label="Who"
          value={draft.who}
          choices={[
            ...others.map((user) => ({
              value: user.id,
              name: user.email ? `${user.name} (${user.email})` : user.name,
            })),
            { value: NEW_PERSON, name: "Somebody new" },
            { value: NEW_SERVICE, name: "A new service account" },
          ]}
          onChange={(who) => change({ who })}
        />
        {draft.who.startsWith("new:") && (
          <TextField
            label="Name"
            value={draft.name}
            onChange={(name) => change({ name })}
            problem={touched ? problems.name : undefined}
            maxLength={200}
          />
        )}
        {draft.who === NEW_PERSON && (
          <TextField
            label="E-mail address"
            type="email"
            value={draft.email}
            onChange={(email) => change({ email })}
            problem={touched ? problems.email : undefined}
            note="To let them choose a password, invite them by this address."
          />
        )}
        <SelectField
          label="Role"
          value={draft.role}
          choices={roles.map(({ name }) => ({ value: name, name }))}
          onChange={(name) => change({ role: name })}
          note={role && aboutRole(role.name, role.permissions)}
        />
      </ModalForm>
    </Modal>
  );
}
