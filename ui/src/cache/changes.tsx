import { useId, useState } from "react";
import { Button } from "@/components/button";
import { withCode } from "@/components/failure-card";
import { AreaField, SelectField, SwitchField, TextField } from "@/components/fields";
import { Confirm, Modal, ModalForm } from "@/components/modal";
import { type CacheStats, clearCache, invalidateCache, type Warming, warmCache } from "@/control/cache";
import { useDoing } from "@/control/directory";
import { formatCount } from "@/lib/format";
import { useModels, useStatus } from "@/lib/queries";
import { countOf, isNothing, NO_VOID, voidProblems, voidWish, type WarmDraft, warmProblems, warmWish } from "./wishes";
import { removedText } from "./words";

export type Open = "clear" | "invalidate" | "warm" | undefined;

interface ChangesProps {
  open: Open;
  stats: CacheStats;
  /** Told what came of it. */
  onDone: (said: string) => void;
  onClose: () => void;
}

/** Has the cache forget something, or learn something beforehand. */
export function Changes({ open, ...rest }: ChangesProps) {
  switch (open) {
    case "clear":
      return <Clear {...rest} />;
    case "invalidate":
      return <Invalidate {...rest} />;
    case "warm":
      return <Warm {...rest} />;
    default:
      return null;
  }
}

type ChangeProps = Omit<ChangesProps, "open">;

function EverythingField({ on, onChange }: { on: boolean; onChange: (on: boolean) => void }) {
  return (
    <SwitchField
      label="Of all workspaces"
      note={on ? "Everybody's answers." : "Only what is shared with you."}
      on={on}
      onChange={onChange}
    />
  );
}

function Clear({ stats, onDone, onClose }: ChangeProps) {
  const [everything, setEverything] = useState(stats.everything);
  const doing = useDoing(["cache"], () => clearCache(everything));
  const done = ({ removed }: { removed: number }) => {
    onDone(removedText(removed));
    onClose();
  };
  return (
    <Confirm
      open
      title="Clear the cache?"
      verb="Clear"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(undefined, { onSuccess: done })}
      onClose={onClose}
    >
      <p>
        {stats.everything && !everything ? "What is shared with you" : "Everything that is shown here"} is let go of, in
        every tier. What is asked again goes to its model, at its price, until it is kept anew. This cannot be undone.
      </p>
      {stats.everything && (
        <div className="mt-4">
          <EverythingField on={everything} onChange={setEverything} />
        </div>
      )}
    </Confirm>
  );
}

function Invalidate({ stats, onDone, onClose }: ChangeProps) {
  const [draft, setDraft] = useState(NO_VOID);
  const [everything, setEverything] = useState(stats.everything);
  const problems = voidProblems(draft);
  const doing = useDoing(["cache"], () => invalidateCache(voidWish(draft, everything)));
  const done = ({ removed }: { removed: number }) => {
    onDone(removedText(removed));
    onClose();
  };
  return (
    <Modal
      open
      onClose={onClose}
      title="Invalidate answers"
      description="Nothing of this is given again, nor what is just being answered."
    >
      <ModalForm
        verb="Invalidate"
        busy={doing.isPending}
        error={doing.error}
        blocked={isNothing(draft) || Object.keys(problems).length > 0}
        onSubmit={() => doing.mutate(undefined, { onSuccess: done })}
        onCancel={onClose}
      >
        <TextField
          label="Tags"
          mono
          value={draft.tags}
          onChange={(tags) => setDraft({ ...draft, tags })}
          placeholder="invoices.*"
          note="As calls gave them; `*` stands for anything."
          problem={problems.tags}
        />
        <TextField
          label="Models"
          mono
          value={draft.models}
          onChange={(models) => setDraft({ ...draft, models })}
          placeholder="openai/gpt-4o*"
          note="As they were asked for, or as `provider/model`; `*` stands for anything."
          problem={problems.models}
        />
        <AreaField
          label="Keys"
          mono
          rows={2}
          value={draft.keys}
          onChange={(keys) => setDraft({ ...draft, keys })}
          note="Of single answers, whole."
          problem={problems.keys}
        />
        {stats.everything && <EverythingField on={everything} onChange={setEverything} />}
      </ModalForm>
    </Modal>
  );
}

function Warm({ onDone, onClose }: ChangeProps) {
  const models = (useModels().data ?? []).filter(({ capabilities }) => capabilities.includes("chat"));
  const [draft, setDraft] = useState<WarmDraft>({ model: "", lines: "", tags: "", ttl: "" });
  const usual = useStatus().data?.default_model;
  const model = draft.model || ((models.find(({ name }) => name === usual) ?? models[0])?.name ?? "");
  const problems = warmProblems(draft);
  const doing = useDoing(["cache"], () => warmCache(warmWish({ ...draft, model })));
  const count = countOf(draft.lines);
  const done = (told: Warming) => {
    if (told.failed + told.not_kept > 0) return;
    onDone(told.kept === 1 ? "1 answer is kept." : `${formatCount(told.kept)} answers are kept.`);
    onClose();
  };
  const title = "Answer questions beforehand";
  if (doing.data) {
    return (
      <Modal open onClose={onClose} title={title}>
        <WarmingReport told={doing.data} onClose={onClose} />
      </Modal>
    );
  }
  return (
    <Modal
      open
      onClose={onClose}
      title={title}
      description="Each is a call of yours, at its price and within your limits; its answer is kept."
    >
      <ModalForm
        verb={count > 1 ? `Send ${formatCount(count)} calls` : "Send"}
        busy={doing.isPending}
        error={doing.error}
        blocked={count === 0 || Object.keys(problems).length > 0}
        onSubmit={() => doing.mutate(undefined, { onSuccess: done })}
        onCancel={onClose}
      >
        <AreaField
          label="Questions"
          rows={6}
          value={draft.lines}
          onChange={(lines) => setDraft({ ...draft, lines })}
          note="One in each line; a line that begins with a brace is a whole request, as for `/v1/chat/completions`."
          problem={problems.lines}
        />
        <SelectField
          label="Model"
          value={model}
          choices={models.map(({ name }) => ({ value: name, name }))}
          onChange={(chosen) => setDraft({ ...draft, model: chosen })}
          note="Asked with `temperature` 0, as the calls must be that are to find them."
        />
        <TextField
          label="Tags"
          mono
          value={draft.tags}
          onChange={(tags) => setDraft({ ...draft, tags })}
          note="Names to invalidate them by."
          problem={problems.tags}
        />
        <TextField
          label="Fresh for"
          inputMode="numeric"
          suffix="seconds"
          value={draft.ttl}
          onChange={(ttl) => setDraft({ ...draft, ttl })}
          note="As the configuration has it, where nothing is said."
          problem={problems.ttl}
        />
      </ModalForm>
    </Modal>
  );
}

/** What became of those that were not all kept. */
function WarmingReport({ told, onClose }: { told: Warming; onClose: () => void }) {
  const id = useId();
  const others = told.data.filter(({ status }) => status !== "kept");
  return (
    <>
      <div className="min-h-0 overflow-y-auto px-6 py-2 text-body">
        <p id={id} role="status">
          {formatCount(told.kept)} of {formatCount(told.data.length)} answers are kept.
        </p>
        <ul aria-labelledby={id} className="mt-3 flex flex-col gap-2">
          {others.map((one) => (
            <li key={one.index} className="rounded-m border border-line px-3 py-2">
              <span className="font-medium">Line {one.index + 1}</span>:{" "}
              {one.status === "failed" ? (
                <span className="text-bad-text">{withCode(one.message ?? one.code ?? "It failed.")}</span>
              ) : (
                "answered, and not kept: the page tells why under Answers not kept."
              )}
            </li>
          ))}
        </ul>
      </div>
      <footer className="flex shrink-0 justify-end px-6 pt-4 pb-5">
        <Button onClick={onClose}>Close</Button>
      </footer>
    </>
  );
}
