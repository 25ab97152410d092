import { Check, Copy, TriangleAlert } from "lucide-react";
import { type ReactNode, useState } from "react";
import { useCopy } from "@/lib/clipboard";
import { Button } from "./button";
import { Modal } from "./modal";

interface ShownOnceProps {
  title: string;
  /** What it is called by the button, and by screen readers. */
  what: string;
  value: string;
  onClose: () => void;
  children: ReactNode;
}

/** A secret, the only time that it is shown. It is held nowhere but in this window. */
export function ShownOnce({ title, what, value, onClose, children }: ShownOnceProps) {
  const { state, copy } = useCopy();
  const [copied, setCopied] = useState(false);
  return (
    <Modal open sticky onClose={onClose} title={title}>
      <div className="flex flex-col gap-4 overflow-y-auto px-6 pt-1 pb-6">
        <p className="flex items-start gap-2.5 rounded-l bg-warn-soft px-3.5 py-3 text-body text-ink">
          <TriangleAlert className="mt-0.5 size-4 shrink-0 text-warn-text" aria-hidden="true" />
          <span>{children}</span>
        </p>
        <output
          aria-label={what}
          className="block rounded-m border border-line-field bg-code-ground px-3.5 py-3 font-mono text-body [overflow-wrap:anywhere] select-all"
        >
          {value}
        </output>
        <div className="flex flex-wrap justify-end gap-2">
          <Button
            look={copied ? "secondary" : "primary"}
            onClick={() => {
              copy(value);
              setCopied(true);
            }}
          >
            {state === "copied" ? (
              <Check className="size-4" aria-hidden="true" />
            ) : (
              <Copy className="size-4" aria-hidden="true" />
            )}
            <span aria-live="polite">
              {state === "copied"
                ? "Copied"
                : state === "failed"
                  ? "Select it and copy by hand"
                  : `Copy ${what.toLowerCase()}`}
            </span>
          </Button>
          <Button look={copied ? "primary" : "secondary"} onClick={onClose}>
            I have kept it
          </Button>
        </div>
      </div>
    </Modal>
  );
}
