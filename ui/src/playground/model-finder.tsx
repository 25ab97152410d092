import { Popover } from "@base-ui/react/popover";
import { Check } from "lucide-react";
import type { RefObject } from "react";
import { Finder, type FinderItem } from "@/components/finder";
import { HealthDot } from "@/components/health";
import type { Model } from "@/lib/api";
import { formatWindow } from "@/lib/format";

interface ModelFinderProps {
  models: Model[];
  current: Model | undefined;
  onChoose: (name: string) => void;
  open: boolean;
  setOpen: (open: boolean) => void;
  /** The button that opens and closes it. */
  trigger: RefObject<HTMLButtonElement | null>;
}

/** All models, found by typing, below the button that names the current one. */
export default function ModelFinder({ models, current, onChoose, open, setOpen, trigger }: ModelFinderProps) {
  const items = models.map((model) => itemFor(model, model === current, onChoose));
  return (
    <Popover.Root
      open={open}
      onOpenChange={(opened, { event }) => {
        // A press on the button, and the focus that goes there with it, are the button's to answer.
        const to = event instanceof FocusEvent ? event.relatedTarget : event.target;
        if (!(to instanceof Node && trigger.current?.contains(to))) setOpen(opened);
      }}
    >
      <Popover.Portal>
        <Popover.Positioner anchor={trigger} align="start" sideOffset={6} collisionPadding={12} className="z-30">
          <Popover.Popup
            finalFocus={trigger}
            className="fade-in flex max-h-[min(26rem,var(--available-height))] w-[min(26rem,calc(100vw-1.5rem))] origin-top-left flex-col overflow-hidden rounded-l border border-line bg-raised shadow-3"
          >
            <Popover.Title className="sr-only">Choose a model</Popover.Title>
            <Finder
              items={items}
              label="Models"
              placeholder="Find a model"
              nothing="No model by that name. The overview shows how to connect a provider."
              current={current?.name}
              onPicked={() => setOpen(false)}
            />
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

function itemFor(model: Model, current: boolean, onChoose: (name: string) => void): FinderItem {
  return {
    key: model.name,
    label: model.name,
    words: model.aliases.join(" "),
    group: model.provider,
    onPick: () => onChoose(model.name),
    content: (
      <>
        <HealthDot status={model.health.status} />
        <span className="min-w-0 flex-1 truncate font-mono">{model.id}</span>
        {model.aliases[0] && <span className="truncate text-small text-ink-3">{model.aliases[0]}</span>}
        {model.context_tokens !== null && (
          <span className="w-11 text-right text-small text-ink-3 tabular">{formatWindow(model.context_tokens)}</span>
        )}
        <Check className={`size-3.5 shrink-0 text-accent-text ${current ? "" : "invisible"}`} aria-hidden="true" />
      </>
    ),
  };
}
