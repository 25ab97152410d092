import { useNavigate, useSearch } from "@tanstack/react-router";
import { Code, SlidersHorizontal, SquarePen } from "lucide-react";
import { lazy, useCallback, useEffect, useState } from "react";
import { Button, IconButton } from "@/components/button";
import { FailureCard } from "@/components/failure-card";
import { OnceOpened } from "@/components/once-opened";
import { localStore } from "@/lib/browser-storage";
import { useStore } from "@/lib/external-store";
import { Failure, unreachable } from "@/lib/failures";
import { useModels, useStatus } from "@/lib/queries";
import { codeOpen } from "@/shell/overlays";
import { loadMarkdown } from "./answer";
import { Composer, focusComposer } from "./composer";
import { ConversationView } from "./conversation-view";
import { findModel, ModelPicker } from "./model-picker";
import { session } from "./session";
import { TuningPanel } from "./tuning-panel";

const CodeDrawer = lazy(() => import("./code-drawer"));
const Sheet = lazy(() => import("@/components/sheet"));

const PANEL_KEY = "narthex.tuning-panel";
const WIDE = "(min-width: 70rem)";

export function PlaygroundPage() {
  const { name, models, model, problem } = useChosenModel();
  const panel = usePanel();
  useEffect(() => {
    document.title = "Playground · Narthex";
    void loadMarkdown();
    if (matchMedia("(hover: hover)").matches) focusComposer();
  }, []);
  useLinkedStream();
  return (
    <div className="flex h-full">
      <div className="flex min-w-0 flex-1 flex-col">
        <header className="flex h-13 shrink-0 items-center justify-between gap-2 px-3 sm:px-4">
          <ModelPicker models={models} chosen={name} onChoose={session.chooseModel} />
          <Tools panel={panel} />
        </header>
        {problem && (
          <div className="mx-auto w-full max-w-[46rem] px-4 pt-2 sm:px-6">
            <FailureCard facts={problem} />
          </div>
        )}
        <ConversationView name={name} model={model} />
        <div className="mx-auto w-full max-w-[46rem] px-3 pb-3 sm:px-6 sm:pb-5">
          <Composer model={name} />
        </div>
      </div>
      {panel.wide && panel.open && (
        <aside aria-label="Parameters" className="w-[19rem] shrink-0 overflow-y-auto border-l border-line px-5 py-5">
          <TuningPanel />
        </aside>
      )}
      <OnceOpened open={!panel.wide && panel.open}>
        <Sheet open={!panel.wide && panel.open} onOpenChange={panel.set} title="Parameters">
          <TuningPanel />
        </Sheet>
      </OnceOpened>
      <OnceOpened open={useStore(codeOpen)}>
        <CodeDrawer model={name} />
      </OnceOpened>
    </div>
  );
}

/** Opens the answer that the address names. */
function useLinkedStream(): void {
  const { stream } = useSearch({ from: "/" });
  useEffect(() => {
    if (stream !== undefined) void session.open(stream);
  }, [stream]);
}

function Tools({ panel }: { panel: Panel }) {
  const empty = useStore(session.store).turns.length === 0;
  const navigate = useNavigate();
  return (
    <div className="flex items-center gap-1">
      <Button look="ghost" size="s" onClick={() => codeOpen.set(true)} className="h-8">
        <Code className="size-4" aria-hidden="true" />
        Code
      </Button>
      <IconButton
        label="New conversation"
        disabled={empty}
        onClick={() => {
          session.clear();
          // The address may name an answer of the conversation that is over.
          void navigate({ to: "/", search: {}, replace: true });
          focusComposer();
        }}
      >
        <SquarePen aria-hidden="true" />
      </IconButton>
      <IconButton label="Parameters" aria-pressed={panel.open} onClick={() => panel.set(!panel.open)}>
        <SlidersHorizontal aria-hidden="true" />
      </IconButton>
    </div>
  );
}

/** The model that is asked: the chosen one, or else the server's default. */
function useChosenModel() {
  const { model: chosen } = useStore(session.store);
  const { data: status } = useStatus();
  const { data, error } = useModels();
  const models = (data ?? []).filter((model) => model.capabilities.includes("chat"));
  const fallback = status?.default_model ?? models[0]?.name ?? "";
  const name = chosen || (data && !findModel(models, fallback) ? (models[0]?.name ?? fallback) : fallback);
  const problem = error ? (error instanceof Failure ? error : unreachable()).facts : undefined;
  return { name, models, model: findModel(models, name), problem };
}

interface Panel {
  wide: boolean;
  open: boolean;
  set: (open: boolean) => void;
}

/** Beside the conversation where there is room, remembered; over it where there is not. */
function usePanel(): Panel {
  const [wide, setWide] = useState(() => matchMedia(WIDE).matches);
  const [docked, setDocked] = useState(() => localStore.read(PANEL_KEY) !== "closed");
  const [sheet, setSheet] = useState(false);
  useEffect(() => {
    const query = matchMedia(WIDE);
    const onChange = () => setWide(query.matches);
    query.addEventListener("change", onChange);
    return () => query.removeEventListener("change", onChange);
  }, []);
  const dock = useCallback((open: boolean) => {
    setDocked(open);
    localStore.write(PANEL_KEY, open ? null : "closed");
  }, []);
  return { wide, open: wide ? docked : sheet, set: wide ? dock : setSheet };
}
