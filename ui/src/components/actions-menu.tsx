import { Menu } from "@base-ui/react/menu";
import { Ellipsis, type LucideIcon } from "lucide-react";
import { IconButton } from "./button";

export interface Action {
  name: string;
  Icon: LucideIcon;
  onPick: () => void;
  /** Whether it takes something away. */
  grave?: boolean;
}

/** What can be done with one row. */
export function ActionsMenu({ label, actions }: { label: string; actions: Action[] }) {
  if (actions.length === 0) return null;
  return (
    <Menu.Root>
      <Menu.Trigger render={<IconButton label={label}>{<Ellipsis aria-hidden="true" />}</IconButton>} />
      <Menu.Portal>
        <Menu.Positioner align="end" sideOffset={4} className="z-30">
          <Menu.Popup className="fade-in min-w-44 rounded-l border border-line bg-raised p-1.5 shadow-3 outline-none">
            {actions.map(({ name, Icon, onPick, grave }) => (
              <Menu.Item
                key={name}
                onClick={onPick}
                className={`flex h-8.5 cursor-pointer items-center gap-2.5 rounded-m px-2.5 text-body outline-none data-[highlighted]:bg-hover ${grave ? "text-bad-text" : "text-ink"}`}
              >
                <Icon className="size-4 opacity-70" aria-hidden="true" />
                {name}
              </Menu.Item>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
