import { useQuery } from "@tanstack/react-query";
import { Undo2 } from "lucide-react";
import { useState } from "react";
import { ActionsMenu } from "@/components/actions-menu";
import { SelectField, TextField } from "@/components/fields";
import { Confirm, Modal, ModalForm } from "@/components/modal";
import { ShownOnce } from "@/components/shown-once";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { createInvitation, invitationsQuery, revokeInvitation, useDoing } from "@/control/directory";
import type { Invitation, NewInvitation, Role, Workspace } from "@/control/types";
import { formatAgo, formatMoment } from "@/lib/time";
import { SectionHeading } from "@/overview/overview-page";
import { aboutRole } from "./people";

const COLUMNS = [
  { name: "Invited" },
  { name: "Role" },
  { name: "Since" },
  { name: "Link good until" },
  { name: "Actions", unnamed: true },
];
const LIFETIMES = [
  { value: "86400", name: "A day" },
  { value: "604800", name: "A week" },
  { value: "2592000", name: "30 days" },
];

interface InviteProps {
  workspace: Workspace;
  roles: Role[];
  onClose: () => void;
}

/** Asks whom to invite, and shows the link that is to be handed over. */
export function Invite({ workspace, roles, onClose }: InviteProps) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState("member");
  const [lifetime, setLifetime] = useState("604800");
  const [touched, setTouched] = useState(false);
  const doing = useDoing(["invitations"], createInvitation);
  const bad = /^[^\s@]+@[^\s@]+$/.test(email.trim()) ? undefined : "People are invited by their e-mail address.";
  const submit = () => {
    setTouched(true);
    const body = { email: email.trim(), role, workspace_id: workspace.id, lifetime_s: Number(lifetime) };
    if (!bad) doing.mutate(body);
  };
  if (doing.data) return <Link made={doing.data} onClose={onClose} />;
  const known = roles.find(({ name }) => name === role);
  return (
    <Modal
      open
      onClose={onClose}
      title={`Invite somebody to ${workspace.name}`}
      description="You get a link to hand over. No mail is sent."
    >
      <ModalForm verb="Make the link" busy={doing.isPending} error={doing.error} onSubmit={submit} onCancel={onClose}>
        <TextField
          label="E-mail address"
          type="email"
          value={email}
          onChange={setEmail}
          problem={touched ? bad : undefined}
          note="They sign in with it from then on."
        />
        <SelectField
          label="Role"
          value={role}
          choices={roles.map(({ name }) => ({ value: name, name }))}
          onChange={setRole}
          note={known && aboutRole(known.name, known.permissions)}
        />
        <SelectField label="The link is good for" value={lifetime} choices={LIFETIMES} onChange={setLifetime} />
      </ModalForm>
    </Modal>
  );
}

function Link({ made, onClose }: { made: NewInvitation; onClose: () => void }) {
  return (
    <ShownOnce
      title={`The link for ${made.email}`}
      what="Link"
      value={`${window.location.origin}${made.path}`}
      onClose={onClose}
    >
      Copy it now, and hand it over yourself. It is shown this once, is good once, and lets in whoever has it. If you
      lose it, invite them again: this one ends then.
    </ShownOnce>
  );
}

/** Who was invited and has not come yet. */
export function Invitations({ workspace }: { workspace: Workspace }) {
  const { data } = useQuery(invitationsQuery(workspace.id));
  const [ending, setEnding] = useState<Invitation>();
  const doing = useDoing(["invitations"], revokeInvitation);
  const open = data?.filter(({ state }) => state === "open") ?? [];
  if (open.length === 0) return null;
  return (
    <section aria-labelledby="invitations">
      <SectionHeading id="invitations" title="Invited" />
      <Table label="Invitations" columns={COLUMNS}>
        {open.map((one) => (
          <Row key={one.id}>
            <NameCell>
              <span className="font-medium [overflow-wrap:anywhere]">{one.email}</span>
            </NameCell>
            <Cell name="Role">{one.role}</Cell>
            <Cell name="Since">{formatAgo(one.created_at)}</Cell>
            <Cell name="Link good until">{formatMoment(one.expires_at)}</Cell>
            <ActionCell>
              <ActionsMenu
                label={`Actions for ${one.email}`}
                actions={[{ name: "Take back", Icon: Undo2, grave: true, onPick: () => setEnding(one) }]}
              />
            </ActionCell>
          </Row>
        ))}
      </Table>
      {ending && (
        <Confirm
          open
          title={`Take the invitation of ${ending.email} back?`}
          verb="Take back"
          busy={doing.isPending}
          error={doing.error}
          onConfirm={() => doing.mutate(ending, { onSuccess: () => setEnding(undefined) })}
          onClose={() => setEnding(undefined)}
        >
          The link lets nobody in any more. You can invite them again.
        </Confirm>
      )}
    </section>
  );
}
