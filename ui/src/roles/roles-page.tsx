import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { ActionsMenu } from "@/components/actions-menu";
import { Badge, Badges } from "@/components/badge";
import { Button } from "@/components/button";
import { Confirm } from "@/components/modal";
import { Page } from "@/components/page";
import { Loading, Refused } from "@/components/states";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { deleteRole, rolesQuery, useDoing } from "@/control/directory";
import { useMay, useMe } from "@/control/me";
import type { Role } from "@/control/types";
import { aboutRole } from "@/members/people";
import { RoleForm } from "./role-form";

const COLUMNS = [{ name: "Role" }, { name: "May" }, { name: "Actions", unnamed: true }];

type Open = { kind: "new" } | { kind: "edit"; role: Role } | { kind: "delete"; role: Role } | undefined;

export default function RolesPage() {
  const roles = useQuery(rolesQuery);
  const me = useMe();
  const mayWrite = useMay("roles:write");
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  return (
    <Page
      title="Roles"
      lead={
        <>
          What people may do where they have a role. They are given on the page{" "}
          <Link to="/members" className="text-accent-text underline underline-offset-2">
            Members
          </Link>
          .
        </>
      }
      actions={
        <Button look="primary" disabled={!roles.data || !mayWrite} onClick={() => setOpen({ kind: "new" })}>
          <Plus className="size-4" aria-hidden="true" />
          New role
        </Button>
      }
    >
      {roles.isPending && <Loading what="roles" />}
      {roles.isError && <Refused error={roles.error} again={() => void roles.refetch()} />}
      {roles.data && (
        <Table label="Roles" columns={COLUMNS}>
          {roles.data.map((role) => (
            <RoleRow key={role.id ?? role.name} role={role} mayWrite={mayWrite} onOpen={setOpen} />
          ))}
        </Table>
      )}
      {roles.data && (open?.kind === "new" || open?.kind === "edit") && (
        <RoleForm roles={roles.data} edited={open.kind === "edit" ? open.role : undefined} me={me} onClose={close} />
      )}
      {open?.kind === "delete" && <Deleting role={open.role} onClose={close} />}
    </Page>
  );
}

function RoleRow({ role, mayWrite, onOpen }: { role: Role; mayWrite: boolean; onOpen: (open: Open) => void }) {
  const own = role.id !== null;
  return (
    <Row>
      <NameCell>
        <span className="flex flex-wrap items-center gap-2">
          <span className="font-medium">{role.name}</span>
          {own && <Badge>Your own</Badge>}
        </span>
      </NameCell>
      <Cell name="May">
        {own ? <Badges words={role.permissions} none="Nothing yet" /> : aboutRole(role.name, role.permissions)}
      </Cell>
      <ActionCell>
        <ActionsMenu
          label={`Actions for ${role.name}`}
          actions={
            own && mayWrite
              ? [
                  { name: "Change", Icon: Pencil, onPick: () => onOpen({ kind: "edit", role }) },
                  { name: "Delete", Icon: Trash2, grave: true, onPick: () => onOpen({ kind: "delete", role }) },
                ]
              : []
          }
        />
      </ActionCell>
    </Row>
  );
}

function Deleting({ role, onClose }: { role: Role; onClose: () => void }) {
  const doing = useDoing(["roles"], deleteRole);
  return (
    <Confirm
      open
      title={`Delete ${role.name}?`}
      verb="Delete"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(role, { onSuccess: onClose })}
      onClose={onClose}
    >
      Nobody can be given it any more. It is refused while somebody still has it.
    </Confirm>
  );
}
