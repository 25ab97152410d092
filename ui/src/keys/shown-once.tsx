import { ShownOnce as Shown } from "@/components/shown-once";
import type { NewKey } from "@/control/types";

/** A new key, the only time that it is shown. */
export function ShownOnce({ made, onClose }: { made: NewKey; onClose: () => void }) {
  return (
    <Shown title={`The key of ${made.name}`} what="Key" value={made.key} onClose={onClose}>
      Copy it now. It is shown this once: the server keeps only what it needs to know it again. If you lose it, make
      another and revoke this one.
    </Shown>
  );
}
