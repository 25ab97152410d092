import { useState } from "react";
import { Checks, TextField } from "@/components/fields";
import { Modal, ModalForm } from "@/components/modal";
import { createRole, updateRole, useDoing } from "@/control/directory";
import type { Me } from "@/control/me";
import { may } from "@/control/me";
import type { Role } from "@/control/types";
import { everyPermission, groupsOf, problemOf } from "./words";

interface RoleFormProps {
  roles: Role[];
  /** The role that is changed; none for a new one. */
  edited: Role | undefined;
  me: Me | undefined;
  onClose: () => void;
}

/** Makes a role, or has one allow something else. */
export function RoleForm({ roles, edited, me, onClose }: RoleFormProps) {
  const [name, setName] = useState(edited?.name ?? "");
  const [chosen, setChosen] = useState<string[]>(edited?.permissions ?? []);
  const [touched, setTouched] = useState(false);
  const doing = useDoing(["roles", "me"], () =>
    edited ? updateRole(edited, chosen) : createRole({ name, permissions: chosen }),
  );
  const problem = edited
    ? undefined
    : problemOf(
        name,
        roles.map((role) => role.name),
      );
  const submit = () => {
    setTouched(true);
    if (!problem) doing.mutate(undefined, { onSuccess: onClose });
  };
  // Nobody gives more than they have; what the role allows already can be taken away.
  const offered = everyPermission(roles).filter((one) => may(me, one) || edited?.permissions.includes(one));
  return (
    <Modal
      open
      wide
      onClose={onClose}
      title={edited ? `Change ${edited.name}` : "New role"}
      description={edited ? "It holds at once, for everybody who has it." : "It can be given in every workspace."}
    >
      <ModalForm
        verb={edited ? "Save" : "Create role"}
        busy={doing.isPending}
        error={doing.error}
        onSubmit={submit}
        onCancel={onClose}
      >
        {!edited && (
          <TextField
            label="Name"
            value={name}
            onChange={setName}
            problem={touched ? problem : undefined}
            maxLength={63}
            note="Such as `night-shift`."
          />
        )}
        <div className="grid gap-5 sm:grid-cols-2">
          {groupsOf(offered).map(({ resource, permissions }) => (
            <Checks
              key={resource}
              label={resource[0]?.toUpperCase() + resource.slice(1)}
              choices={permissions}
              chosen={chosen}
              onChange={setChosen}
            />
          ))}
        </div>
      </ModalForm>
    </Modal>
  );
}
