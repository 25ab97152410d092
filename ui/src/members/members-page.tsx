import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Link2, Plus, UserMinus } from "lucide-react";
import { type ReactNode, useState } from "react";
import { ActionsMenu } from "@/components/actions-menu";
import { Badge } from "@/components/badge";
import { Button } from "@/components/button";
import { withCode } from "@/components/failure-card";
import { Select } from "@/components/fields";
import { Confirm } from "@/components/modal";
import { Page } from "@/components/page";
import { Empty, Loading, Refused } from "@/components/states";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { useCurrentWorkspace } from "@/control/current";
import { changeMember, membersQuery, removeMember, rolesQuery, useDoing, usersQuery } from "@/control/directory";
import { useMay } from "@/control/me";
import type { Member, Role, Workspace } from "@/control/types";
import { formatAgo, formatDay } from "@/lib/time";
import { SectionHeading } from "@/overview/overview-page";
import { Invitations, Invite } from "./invitations";
import { MemberForm } from "./member-form";
import { aboutRole, isLastOwner, nameOf, type Person, peopleOf } from "./people";

const COLUMNS = [
  { name: "Member" },
  { name: "Role" },
  { name: "Since" },
  { name: "Last sign-in" },
  { name: "Actions", unnamed: true },
];

export default function MembersPage() {
  const workspace = useCurrentWorkspace();
  const mayAdd = useMay("members:write");
  const [adding, setAdding] = useState(false);
  const [inviting, setInviting] = useState(false);
  const add = (
    <>
      <Button disabled={!workspace || !mayAdd} onClick={() => setAdding(true)}>
        <Plus className="size-4" aria-hidden="true" />
        Add member
      </Button>
      <Button look="primary" disabled={!workspace || !mayAdd} onClick={() => setInviting(true)}>
        <Link2 className="size-4" aria-hidden="true" />
        Invite
      </Button>
    </>
  );
  return (
    <Page
      title="Members"
      lead={workspace ? `Who works in ${workspace.name}, and what they may do there.` : "Who works in a workspace."}
      actions={add}
    >
      {workspace ? (
        <Members
          workspace={workspace}
          add={<div className="flex flex-wrap justify-center gap-2">{add}</div>}
          adding={adding}
          inviting={inviting}
          onClose={() => {
            setAdding(false);
            setInviting(false);
          }}
        />
      ) : (
        <Loading what="members" />
      )}
    </Page>
  );
}

interface MembersProps {
  workspace: Workspace;
  add: ReactNode;
  adding: boolean;
  inviting: boolean;
  onClose: () => void;
}

function Members({ workspace, add, adding, inviting, onClose }: MembersProps) {
  const mayAdd = useMay("members:write");
  const members = useQuery(membersQuery(workspace.id));
  const users = useQuery(usersQuery);
  const roles = useQuery(rolesQuery);
  if (members.isPending) return <Loading what="members" />;
  if (members.isError) return <Refused error={members.error} again={() => void members.refetch()} />;
  const known = users.data ?? [];
  return (
    <>
      {members.data.length === 0 ? (
        <Empty title="No members yet" action={add}>
          Whoever runs this server may do everything here. Add those who should work in it, each with a role.
        </Empty>
      ) : (
        <Table label="Members" columns={COLUMNS}>
          {peopleOf(members.data, known).map((person) => (
            <PersonRow
              key={person.member.user_id}
              person={person}
              roles={roles.data ?? []}
              stays={isLastOwner(person.member, members.data)}
            />
          ))}
        </Table>
      )}
      {mayAdd && <Invitations workspace={workspace} />}
      {roles.data && <Roles roles={roles.data} />}
      {inviting && <Invite workspace={workspace} roles={roles.data ?? []} onClose={onClose} />}
      {adding && (
        <MemberForm
          workspace={workspace}
          members={members.data}
          users={known}
          roles={roles.data ?? []}
          onClose={onClose}
        />
      )}
    </>
  );
}

function PersonRow({ person, roles, stays }: { person: Person; roles: Role[]; stays: boolean }) {
  const { member, user } = person;
  const [removing, setRemoving] = useState(false);
  const mayWrite = useMay("members:write");
  return (
    <Row dim={user?.disabled_at != null}>
      <NameCell>
        <span className="flex flex-wrap items-center gap-2">
          <span className="font-medium">{nameOf(person)}</span>
          {user?.kind === "service" && <Badge>Service account</Badge>}
          {user?.disabled_at != null && <Badge tone="warn">Locked out</Badge>}
        </span>
        {user?.email && <span className="mt-0.5 block text-small text-ink-3">{user.email}</span>}
      </NameCell>
      <Cell name="Role">
        <RoleOf person={person} roles={roles} fixed={stays || !mayWrite} />
        {stays && <span className="mt-1 block text-small text-ink-3">The last owner</span>}
        {member.source === "groups" && <span className="mt-1 block text-small text-ink-3">By a group</span>}
      </Cell>
      <Cell name="Since">{formatDay(member.created_at)}</Cell>
      <Cell name="Last sign-in">
        {user?.last_sign_in_at == null ? (
          <span className="text-ink-3">{user ? "Never" : "Not shown to you"}</span>
        ) : (
          formatAgo(user.last_sign_in_at)
        )}
      </Cell>
      <ActionCell>
        {!stays && mayWrite && (
          <ActionsMenu
            label={`Actions for ${nameOf(person)}`}
            actions={[{ name: "Remove", Icon: UserMinus, grave: true, onPick: () => setRemoving(true) }]}
          />
        )}
        {removing && <Removing person={person} onClose={() => setRemoving(false)} />}
      </ActionCell>
    </Row>
  );
}

function RoleOf({ person, roles, fixed }: { person: Person; roles: Role[]; fixed: boolean }) {
  const doing = useDoing(["members"], ({ member, role }: { member: Member; role: string }) =>
    changeMember(member, role),
  );
  const { member } = person;
  if (fixed) return <span className="capitalize">{member.role}</span>;
  const names = new Set([...roles.map(({ name }) => name), member.role]);
  return (
    <span className="block w-36">
      <Select
        small
        label={`Role of ${nameOf(person)}`}
        value={doing.isPending ? doing.variables.role : member.role}
        choices={[...names].map((name) => ({ value: name, name }))}
        onChange={(role) => doing.mutate({ member, role })}
      />
      {doing.isError && (
        <span role="alert" className="mt-1 block text-small text-bad-text">
          {withCode(doing.error.message)}
        </span>
      )}
    </span>
  );
}

function Removing({ person, onClose }: { person: Person; onClose: () => void }) {
  const doing = useDoing(["members"], removeMember);
  return (
    <Confirm
      open
      title={`Remove ${nameOf(person)}?`}
      verb="Remove"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(person.member, { onSuccess: onClose })}
      onClose={onClose}
    >
      They see nothing of the workspace any more, and keys of theirs in it open nothing. What they used stays in its
      ledger.
    </Confirm>
  );
}

function Roles({ roles }: { roles: Role[] }) {
  return (
    <section aria-labelledby="roles">
      <SectionHeading id="roles" title="Roles">
        <Link to="/roles" className="text-body text-accent-text underline underline-offset-2">
          Make and change roles
        </Link>
      </SectionHeading>
      <dl className="grid gap-x-8 gap-y-4 sm:grid-cols-2">
        {roles.map(({ name, permissions, id }) => (
          <div key={name} className="border-t border-line pt-3">
            <dt className="flex items-center gap-2 font-medium">
              {name}
              {id !== null && <Badge>Your own</Badge>}
            </dt>
            <dd className="mt-0.5 text-body [overflow-wrap:anywhere] text-ink-2">{aboutRole(name, permissions)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
