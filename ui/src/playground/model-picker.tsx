import { ChevronDown } from "lucide-react";
import { lazy, useRef, useState } from "react";
import { HealthDot } from "@/components/health";
import { OnceOpened } from "@/components/once-opened";
import type { Model } from "@/lib/api";

const loadFinder = () => import("./model-finder");
const ModelFinder = lazy(loadFinder);

interface ModelPickerProps {
  models: Model[];
  chosen: string;
  onChoose: (name: string) => void;
}

/** Names the model that is asked, and opens the list of all. */
export function ModelPicker({ models, chosen, onChoose }: ModelPickerProps) {
  const [open, setOpen] = useState(false);
  const trigger = useRef<HTMLButtonElement>(null);
  const current = findModel(models, chosen);
  const load = () => void loadFinder();
  return (
    <>
      <button
        ref={trigger}
        type="button"
        aria-label={`Model: ${chosen || "none"}`}
        aria-haspopup="dialog"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        onPointerEnter={load}
        onFocus={load}
        className="-ml-1 flex h-9 min-w-0 items-center gap-2.5 rounded-m px-2.5 text-left transition-colors hover:bg-hover aria-expanded:bg-hover"
      >
        {current && <HealthDot status={current.health.status} />}
        <span className="truncate font-mono text-body font-medium">{chosen || "No model"}</span>
        <ChevronDown className="size-3.5 shrink-0 text-ink-3" aria-hidden="true" />
      </button>
      <OnceOpened open={open}>
        <ModelFinder
          models={models}
          current={current}
          onChoose={onChoose}
          open={open}
          setOpen={setOpen}
          trigger={trigger}
        />
      </OnceOpened>
    </>
  );
}

/** Finds a model by its name or one of its aliases. */
export function findModel(models: Model[], name: string): Model | undefined {
  return models.find((model) => model.name === name) ?? models.find((model) => model.aliases.includes(name));
}
