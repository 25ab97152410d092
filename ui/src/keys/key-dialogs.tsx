import { useState } from "react";
import { SelectField } from "@/components/fields";
import { Confirm, Modal, ModalForm } from "@/components/modal";
import { revokeKey, rotateKey, useDoing } from "@/control/directory";
import type { Key, NewKey } from "@/control/types";

const OVERLAPS = [
  { value: "0", name: "At once" },
  { value: "3600", name: "In an hour" },
  { value: "86400", name: "In a day" },
  { value: "604800", name: "In a week" },
];
const A_DAY = "86400";

interface DialogProps {
  subject: Key;
  onClose: () => void;
}

export function RotateKey({ subject, onMade, onClose }: DialogProps & { onMade: (made: NewKey) => void }) {
  const [overlap, setOverlap] = useState(A_DAY);
  const doing = useDoing(["keys"], () => rotateKey(subject, Number(overlap)));
  return (
    <Modal
      open
      onClose={onClose}
      title={`Rotate ${subject.name}`}
      description="Makes a key with the same scopes that follows this one."
    >
      <ModalForm
        verb="Rotate"
        busy={doing.isPending}
        error={doing.error}
        onSubmit={() => doing.mutate(undefined, { onSuccess: onMade })}
        onCancel={onClose}
      >
        <SelectField
          label="The old key ends"
          value={overlap}
          choices={OVERLAPS}
          onChange={setOverlap}
          note="Until then both are good, so that nothing stops while you replace it."
        />
      </ModalForm>
    </Modal>
  );
}

export function RevokeKey({ subject, onClose }: DialogProps) {
  const doing = useDoing(["keys"], revokeKey);
  return (
    <Confirm
      open
      title={`Revoke ${subject.name}?`}
      verb="Revoke"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(subject, { onSuccess: onClose })}
      onClose={onClose}
    >
      Calls with <code className="font-mono text-ink">{subject.shown}…</code> are refused at once, everywhere. This
      cannot be undone.
    </Confirm>
  );
}
