import { Popover } from "@base-ui/react/popover";
import { Check, ChevronDown } from "lucide-react";
import { useMemo, useState } from "react";
import { Finder, type FinderItem } from "@/components/finder";
import { HealthDot } from "@/components/health";
import type { Model } from "@/lib/api";
import { formatWindow } from "@/lib/format";

interface ModelPickerProps {
  models: Model[];
  chosen: string;
  onChoose: (name: string) => void;
}

/** Picks the model by name, grouped by provider. */
export function ModelPicker({ models, chosen, onChoose }: ModelPickerProps) {
  const [open, setOpen] = useState(false);
  const current = findModel(models, chosen);
  const items = useMemo(
    () => models.map((model) => itemFor(model, model === current, onChoose)),
    [models, current, onChoose],
  );
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger
        aria-label={`Model: ${chosen || "none"}`}
        className="-ml-1 flex h-9 min-w-0 items-center gap-2.5 rounded-m px-2.5 text-left transition-colors hover:bg-hover data-[popup-open]:bg-hover"
      >
        {current && <HealthDot status={current.health.status} />}
        <span className="truncate font-mono text-body font-medium">{chosen || "No model"}</span>
        <ChevronDown className="size-3.5 shrink-0 text-ink-3" aria-hidden="true" />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner align="start" sideOffset={6} collisionPadding={12} className="z-30">
          <Popover.Popup className="fade-in flex max-h-[min(26rem,var(--available-height))] w-[min(26rem,calc(100vw-1.5rem))] origin-top-left flex-col overflow-hidden rounded-l border border-line bg-raised shadow-3">
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

/** Finds a model by its name or one of its aliases. */
export function findModel(models: Model[], name: string): Model | undefined {
  return models.find((model) => model.name === name) ?? models.find((model) => model.aliases.includes(name));
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
