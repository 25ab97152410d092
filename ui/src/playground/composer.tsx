import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, useLayoutEffect, useRef } from "react";
import { Button } from "@/components/button";
import { Keys, modHeld } from "@/components/keys";
import { useStore } from "@/lib/external-store";
import { isRunning } from "./conversation";
import { PauseButton } from "./live";
import { session } from "./session";

const COMPOSER_ID = "prompt";

export function focusComposer(): void {
  document.getElementById(COMPOSER_ID)?.focus();
}

/** Where the prompt is written. ⌘↵ sends it; Escape stops the answer. */
export function Composer({ model }: { model: string }) {
  const { draft, turns } = useStore(session.store);
  const running = isRunning(turns.at(-1));
  const field = useRef<HTMLTextAreaElement>(null);
  useGrowing(field, draft);
  const send = () => {
    if (model) void session.send(draft, model);
  };
  return (
    <form
      className="field rounded-xl! bg-sheet shadow-2 max-sm:flex max-sm:items-end"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={field}
        id={COMPOSER_ID}
        data-main-field
        rows={1}
        aria-label="Prompt"
        placeholder={turns.length === 0 ? "Ask anything" : "Ask a follow-up"}
        value={draft}
        onChange={(event) => session.write(event.target.value)}
        onKeyDown={(event) => onSendKey(event, send)}
        className="block max-h-60 w-full resize-none bg-transparent px-4 pt-3.5 pb-1 text-read max-sm:py-3.5 max-sm:pr-2 max-sm:text-[1rem]"
      />
      <div className="flex items-center justify-between gap-3 pr-2 pb-2 sm:pl-4">
        <span className="flex items-center gap-3 text-small text-ink-3 max-sm:hidden">
          <span className="flex items-center gap-1.5">
            <Keys keys={["Mod", "Enter"]} /> to send
          </span>
          {running && (
            <span className="flex items-center gap-1.5">
              <Keys keys={["Esc"]} /> to stop
            </span>
          )}
        </span>
        {running ? (
          <span className="flex gap-2">
            <PauseButton />
            <Button look="danger" size="s" onClick={session.stop} className="h-8 rounded-m px-3">
              <Square className="size-3 fill-current" aria-hidden="true" />
              Stop
            </Button>
          </span>
        ) : (
          <Button type="submit" look="primary" size="s" disabled={draft.trim() === "" || !model} className="h-8 px-3">
            Send
            <ArrowUp className="size-3.5" strokeWidth={2.4} aria-hidden="true" />
          </Button>
        )}
      </div>
    </form>
  );
}

/** Sends on ⌘↵, but not while an input method is composing a character. */
export function onSendKey(event: KeyboardEvent, send: () => void): void {
  if (event.key !== "Enter" || !modHeld(event) || event.nativeEvent.isComposing) return;
  event.preventDefault();
  send();
}

/** Lets a field grow with its text. */
export function useGrowing(field: React.RefObject<HTMLTextAreaElement | null>, text: string): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: the height follows the text
  useLayoutEffect(() => {
    const element = field.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [field, text]);
}
