import { CircleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { type FailureFacts, remedyFor } from "@/lib/failures";
import { CopyButton } from "./code-block";

interface FailureCardProps {
  facts: FailureFacts;
  /** What the failure means for what is on screen. */
  title?: string;
  actions?: ReactNode;
}

/** An error as a reader needs it: what happened, what to do, and what to quote when asking for help. */
export function FailureCard({ facts, title, actions }: FailureCardProps) {
  const remedy = remedyFor(facts);
  return (
    <div role="alert" className="rounded-l border border-bad-line bg-bad-soft px-4 py-3.5">
      <div className="flex items-start gap-3">
        <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad-text" aria-hidden="true" />
        <div className="min-w-0 flex-1">
          <p className="font-medium text-ink">{title ?? withCode(facts.message)}</p>
          {title && <p className="mt-0.5 text-body text-ink-2">{withCode(facts.message)}</p>}
          {remedy && <p className="mt-1 text-body text-ink-2">{withCode(remedy)}</p>}
          <div className="mt-2.5 flex flex-wrap items-center gap-x-2 gap-y-1 text-small text-ink-2">
            <dl className="flex min-w-0 flex-wrap gap-x-4 gap-y-1">
              <Fact name="Code" value={facts.code} />
              {facts.status !== undefined && <Fact name="Status" value={String(facts.status)} />}
              {facts.param && <Fact name="Field" value={facts.param} />}
              {facts.requestId && <Fact name="Request" value={facts.requestId} />}
            </dl>
            {facts.requestId && <CopyButton text={facts.requestId} label="Copy ID" />}
          </div>
          {actions && <div className="mt-3 flex flex-wrap gap-2">{actions}</div>}
        </div>
      </div>
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div className="flex min-w-0 items-baseline gap-1.5">
      <dt>{name}</dt>
      <dd className="truncate font-mono text-ink">{value}</dd>
    </div>
  );
}

/** Sets what stands between backquotes as code. */
export function withCode(text: string): ReactNode[] {
  return text.split("`").map((part, index) =>
    index % 2 === 1 ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a fixed sentence
      <code key={index} className="rounded-s bg-hover px-1 py-px text-[0.92em] whitespace-nowrap text-ink">
        {part}
      </code>
    ) : (
      part
    ),
  );
}
