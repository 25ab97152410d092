import { Popover } from "@base-ui/react/popover";
import { Check, ChevronsUpDown } from "lucide-react";
import { useState } from "react";
import { Finder, type FinderItem } from "@/components/finder";
import { ProviderMark } from "@/components/health";
import { chooseWorkspace, inUse, useCurrentWorkspace } from "@/control/current";
import { useWorkspaces } from "@/control/directory";
import { useWorkIn } from "@/control/me";
import type { Workspace } from "@/control/types";

/** Which workspace the pages are about. It is there once there is one that may be seen. */
export default function WorkspaceSwitch({ compact = false }: { compact?: boolean }) {
  const { data } = useWorkspaces();
  const current = useCurrentWorkspace();
  const [open, setOpen] = useState(false);
  const workIn = useWorkIn();
  const choose = (id: string) => {
    chooseWorkspace(id);
    workIn(id);
  };
  const items = inUse(data ?? []).map((one) => itemFor(one, one.id === current?.id, choose));
  if (!current) return null;
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger
        className={`flex min-w-0 items-center gap-2 rounded-m text-left text-body font-medium transition-colors hover:bg-hover data-[popup-open]:bg-hover ${compact ? "h-8 max-w-36 px-2" : "h-9 w-full px-2"}`}
      >
        <ProviderMark name={current.name} size="s" />
        <span className="min-w-0 flex-1 truncate">
          <span className="sr-only">Workspace: </span>
          {current.name}
        </span>
        <ChevronsUpDown className="size-3.5 shrink-0 text-ink-3" aria-hidden="true" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner align="start" sideOffset={6} collisionPadding={12} className="z-30">
          <Popover.Popup className="fade-in flex max-h-[min(22rem,var(--available-height))] w-[min(19rem,calc(100vw-1.5rem))] origin-top-left flex-col overflow-hidden rounded-l border border-line bg-raised shadow-3">
            <Popover.Title className="sr-only">Choose a workspace</Popover.Title>
            <Finder
              items={items}
              label="Workspaces"
              placeholder="Find a workspace"
              nothing="No workspace by that name."
              current={current.id}
              onPicked={() => setOpen(false)}
            />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

function itemFor(one: Workspace, isCurrent: boolean, choose: (id: string) => void): FinderItem {
  return {
    key: one.id,
    label: one.name,
    words: one.slug,
    group: "Workspaces",
    onPick: () => choose(one.id),
    content: (
      <>
        <ProviderMark name={one.name} size="s" />
        <span className="min-w-0 flex-1 truncate">{one.name}</span>
        <Check className={`size-3.5 shrink-0 text-accent-text ${isCurrent ? "" : "invisible"}`} aria-hidden="true" />
      </>
    ),
  };
}
