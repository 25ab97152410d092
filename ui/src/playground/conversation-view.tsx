import { ArrowDown } from "lucide-react";
import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Model } from "@/lib/api";
import { useStore } from "@/lib/external-store";
import { Answer } from "./answer";
import { isRunning, type Turn } from "./conversation";
import { EmptyState } from "./empty-state";
import { Prompt } from "./prompt";
import { session } from "./session";

const NEAR_END_PX = 80;

interface ConversationViewProps {
  name: string;
  model: Model | undefined;
}

export function ConversationView({ name, model }: ConversationViewProps) {
  const { turns } = useStore(session.store);
  const frame = useRef<HTMLDivElement>(null);
  const { atEnd, toEnd } = useFollowing(frame, turns);
  const resend = useCallback((id: string, text: string) => void session.resend(id, text, name), [name]);
  const regenerate = useCallback(() => void session.regenerate(name), [name]);
  const last = turns.at(-1);
  return (
    <div className="relative min-h-0 flex-1">
      <section
        ref={frame}
        aria-label="Conversation"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
        tabIndex={0}
        className="h-full overflow-y-auto overscroll-contain focus-visible:-outline-offset-2"
      >
        {turns.length === 0 ? (
          <EmptyState model={model} />
        ) : (
          <div className="mx-auto flex w-full max-w-[46rem] flex-col gap-7 px-4 pt-6 pb-10 sm:px-6">
            {turns.map((turn) =>
              turn.role === "user" ? (
                <Prompt key={turn.id} turn={turn} onResend={resend} />
              ) : (
                <Answer
                  key={turn.id}
                  answer={turn}
                  onRegenerate={turn === last && !isRunning(turn) && isAnswered(turns) ? regenerate : undefined}
                />
              ),
            )}
          </div>
        )}
      </section>
      <div
        aria-hidden="true"
        className="pointer-events-none absolute inset-x-0 top-0 h-4 bg-gradient-to-b from-floor to-transparent"
      />
      <div
        aria-hidden="true"
        className="pointer-events-none absolute inset-x-0 bottom-0 h-8 bg-gradient-to-t from-floor to-transparent"
      />
      {!atEnd && turns.length > 0 && (
        <button
          type="button"
          onClick={toEnd}
          className="absolute bottom-3 left-1/2 flex h-8 -translate-x-1/2 items-center gap-1.5 rounded-full border border-line-field bg-raised px-3 text-small font-medium text-ink-2 shadow-2 hover:text-ink"
        >
          <ArrowDown className="size-3.5" aria-hidden="true" />
          To the end
        </button>
      )}
      <p className="sr-only" role="status">
        {spoken(last)}
      </p>
    </div>
  );
}

/** Whether the last answer follows a prompt: one opened by a link does not, and cannot be asked for again. */
function isAnswered(turns: Turn[]): boolean {
  return turns.at(-2)?.role === "user";
}

/** Follows the growing answer, unless the reader has scrolled up. */
function useFollowing(frame: RefObject<HTMLDivElement | null>, turns: Turn[]): { atEnd: boolean; toEnd: () => void } {
  const [atEnd, setAtEnd] = useState(true);
  const following = useRef(true);
  const toEnd = useCallback(() => {
    following.current = true;
    const element = frame.current;
    element?.scrollTo({ top: element.scrollHeight });
  }, [frame]);
  const empty = turns.length === 0;
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const onScroll = () => {
      following.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
      setAtEnd(following.current);
    };
    const watched = new ResizeObserver(() => !empty && following.current && toEnd());
    for (const child of element.children) watched.observe(child);
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      watched.disconnect();
      element.removeEventListener("scroll", onScroll);
    };
  }, [frame, toEnd, empty]);
  const asked = turns.findLast((turn) => turn.role === "user")?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new prompt is always shown
  useLayoutEffect(() => {
    if (!empty) toEnd();
  }, [asked, empty, toEnd]);
  return { atEnd, toEnd };
}

/** What a screen reader is told: the state, not every token. */
function spoken(turn: Turn | undefined): string {
  if (turn?.role !== "assistant") return "";
  switch (turn.state) {
    case "waiting":
    case "writing":
      return "Answering";
    case "done":
      return "The answer is complete";
    case "stopped":
      return "Stopped";
    case "broken":
      return "The answer was cut and is not whole";
    case "failed":
      return "The answer failed";
  }
}
