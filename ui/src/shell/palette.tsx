import { Dialog } from "@base-ui/react/dialog";
import { useNavigate } from "@tanstack/react-router";
import {
  BookOpen,
  Box,
  CircleStop,
  Code,
  KeyRound,
  Link,
  type LucideIcon,
  MessageSquare,
  Monitor,
  Moon,
  Plus,
  Sun,
} from "lucide-react";
import { useMemo } from "react";
import { Finder, type FinderItem } from "@/components/finder";
import { Keys } from "@/components/keys";
import { apiKey, keepApiKey } from "@/lib/credentials";
import { useStore } from "@/lib/external-store";
import { useModels } from "@/lib/queries";
import { chooseTheme } from "@/lib/theme";
import { focusComposer } from "@/playground/composer";
import { isRunning } from "@/playground/conversation";
import { session } from "@/playground/session";
import { codeOpen, paletteOpen } from "./overlays";
import { CONTROL_PAGES, PAGES } from "./pages";

/** Everything that can be done, found by typing. */
export default function Palette() {
  const open = useStore(paletteOpen);
  return (
    <Dialog.Root open={open} onOpenChange={paletteOpen.set}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fade-in fixed inset-0 z-40 bg-veil" />
        <Dialog.Popup className="fade-in fixed top-[12vh] left-1/2 z-50 flex max-h-[min(27rem,70vh)] w-[min(35rem,calc(100vw-2rem))] -translate-x-1/2 flex-col overflow-hidden rounded-xl border border-line bg-raised shadow-3 data-[starting-style]:scale-[0.985]">
          <Dialog.Title className="sr-only">Commands</Dialog.Title>
          <PaletteFinder />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function PaletteFinder() {
  const items = usePaletteItems();
  return (
    <Finder
      items={items}
      label="Commands"
      placeholder="Type a command or a model"
      nothing="Nothing by that name."
      onPicked={() => paletteOpen.set(false)}
    />
  );
}

function command(group: string, label: string, Icon: LucideIcon, onPick: () => void, keys?: string[]): FinderItem {
  return {
    key: label.replaceAll(/\W+/g, "-"),
    label,
    group,
    onPick,
    content: (
      <>
        <Icon className="size-4 shrink-0 text-ink-3" aria-hidden="true" />
        <span className="flex-1">{label}</span>
        {keys && <Keys keys={keys} />}
      </>
    ),
  };
}

function usePaletteItems(): FinderItem[] {
  const navigate = useNavigate();
  const { turns } = useStore(session.store);
  const running = isRunning(turns.at(-1));
  const key = useStore(apiKey);
  const { data: models } = useModels();
  return useMemo(() => {
    const toPlayground = (then: () => void) => () => void navigate({ to: "/" }).then(() => setTimeout(then));
    return [
      ...(running ? [command("Answer", "Stop the answer", CircleStop, session.stop, ["Esc"])] : []),
      command("Go to", "Playground", MessageSquare, toPlayground(focusComposer)),
      ...[...PAGES.slice(1), ...CONTROL_PAGES].map(({ to, name, Icon }) =>
        command("Go to", name, Icon, () => void navigate({ to })),
      ),
      command("Go to", "API reference", BookOpen, () => window.open("/docs", "_blank", "noopener")),
      command("Playground", "New conversation", Plus, toPlayground(startOver)),
      command(
        "Playground",
        "Show as code",
        Code,
        toPlayground(() => codeOpen.set(true)),
      ),
      command("Server", "Copy base URL", Link, () => void navigator.clipboard?.writeText(`${location.origin}/v1`)),
      ...(key ? [command("Server", "Forget the API key", KeyRound, () => keepApiKey(null))] : []),
      command("Theme", "Light", Sun, () => chooseTheme("light")),
      command("Theme", "Dark", Moon, () => chooseTheme("dark")),
      command("Theme", "As the system", Monitor, () => chooseTheme("system")),
      ...(models ?? [])
        .filter((model) => model.capabilities.includes("chat"))
        .map((model) =>
          command(
            "Use model",
            model.name,
            Box,
            toPlayground(() => session.chooseModel(model.name)),
          ),
        ),
    ];
  }, [navigate, running, key, models]);
}

function startOver(): void {
  session.clear();
  focusComposer();
}
