import { Check, Copy, Pencil } from "lucide-react";
import { memo, useRef, useState } from "react";
import { Button, IconButton } from "@/components/button";
import { useCopy } from "@/lib/clipboard";
import { onSendKey, useGrowing } from "./composer";
import type { UserTurn } from "./conversation";

interface PromptProps {
  turn: UserTurn;
  onResend: (turnId: string, text: string) => void;
}

/** What the reader asked; it can be edited and sent again. */
export const Prompt = memo(function Prompt({ turn, onResend }: PromptProps) {
  const [editing, setEditing] = useState(false);
  const { state, copy } = useCopy();
  if (editing) return <Editor turn={turn} onResend={onResend} onClose={() => setEditing(false)} />;
  return (
    <article aria-label="Your prompt" className="group relative flex flex-col items-end">
      <p className="max-w-[85%] rounded-xl rounded-br-s bg-press px-4 py-2.5 text-read whitespace-pre-wrap [overflow-wrap:anywhere]">
        {turn.text}
      </p>
      <div className="mt-1 flex transition-opacity [@media(hover:hover)]:absolute [@media(hover:hover)]:top-full [@media(hover:hover)]:z-10 [@media(hover:hover)]:mt-0.5 [@media(hover:hover)]:opacity-0 [@media(hover:hover)]:group-focus-within:opacity-100 [@media(hover:hover)]:group-hover:opacity-100">
        <IconButton label="Edit and send again" onClick={() => setEditing(true)} className="size-7">
          <Pencil aria-hidden="true" />
        </IconButton>
        <IconButton
          label={state === "copied" ? "Copied" : "Copy the prompt"}
          onClick={() => copy(turn.text)}
          className="size-7"
        >
          {state === "copied" ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
        </IconButton>
      </div>
    </article>
  );
});

function Editor({ turn, onResend, onClose }: PromptProps & { onClose: () => void }) {
  const [text, setText] = useState(turn.text);
  const field = useRef<HTMLTextAreaElement>(null);
  useGrowing(field, text);
  const send = () => {
    if (text.trim() === "") return;
    onClose();
    onResend(turn.id, text);
  };
  return (
    <div className="field rounded-xl! p-3">
      <textarea
        ref={field}
        // biome-ignore lint/a11y/noAutofocus: the reader has just asked to edit
        autoFocus
        aria-label="Edit the prompt"
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return onSendKey(event, send);
          event.preventDefault();
          onClose();
        }}
        className="block w-full resize-none bg-transparent px-1 text-read max-sm:text-[1rem]"
      />
      <div className="mt-2 flex items-center justify-end gap-2">
        <span className="mr-auto px-1 text-small text-ink-3 max-sm:hidden">What came after it is replaced.</span>
        <Button look="ghost" size="s" onClick={onClose}>
          Cancel
        </Button>
        <Button look="primary" size="s" onClick={send} disabled={text.trim() === ""}>
          Send again
        </Button>
      </div>
    </div>
  );
}
