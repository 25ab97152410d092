import { Check, Copy } from "lucide-react";
import { Fragment, memo, useMemo } from "react";
import { useCopy } from "@/lib/clipboard";
import { highlight } from "@/lib/highlight";

export function CopyButton({ text, label = "Copy" }: { text: string; label?: string }) {
  const { state, copy } = useCopy();
  const Icon = state === "copied" ? Check : Copy;
  const said = state === "copied" ? "Copied" : state === "failed" ? "Copying failed" : label;
  return (
    <button
      type="button"
      onClick={() => copy(text)}
      className="inline-flex h-6 shrink-0 items-center gap-1.5 rounded-s px-1.5 text-small font-medium whitespace-nowrap text-ink-3 transition-colors hover:bg-hover hover:text-ink"
    >
      <Icon className="size-3.5" aria-hidden="true" />
      <span aria-live="polite">{said}</span>
    </button>
  );
}

interface CodeBlockProps {
  code: string;
  language: string;
  title?: string;
  /** Whether long lines are broken instead of scrolled. */
  wrap?: boolean;
}

export const CodeBlock = memo(function CodeBlock({ code, language, title, wrap = false }: CodeBlockProps) {
  return (
    <figure className="overflow-hidden rounded-l border border-line bg-code-ground">
      <figcaption className="flex h-9 items-center justify-between border-b border-line pr-1.5 pl-3.5 text-small font-medium text-ink-3">
        <span>{title ?? (language || "text")}</span>
        <CopyButton text={code} />
      </figcaption>
      <CodeText code={code} language={language} wrap={wrap} label={`Code, ${language || "text"}`} />
    </figure>
  );
});

/** Coloured code. It scrolls sideways, hence it can be focused and has a name. */
export function CodeText({ code, language, wrap = false, label }: CodeBlockProps & { label: string }) {
  const spans = useMemo(() => highlight(code, language), [code, language]);
  return (
    <section
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
      tabIndex={0}
      className="code overflow-x-auto px-3.5 py-3 text-[0.78125rem] leading-[1.3rem] focus-visible:-outline-offset-2"
    >
      <pre className={wrap ? "whitespace-pre-wrap [overflow-wrap:anywhere]" : ""}>
        <code>
          {spans.map((span, index) =>
            span.kind ? (
              // biome-ignore lint/suspicious/noArrayIndexKey: spans have no identity but their place
              <span key={index} className={`t-${span.kind}`}>
                {span.text}
              </span>
            ) : (
              // biome-ignore lint/suspicious/noArrayIndexKey: spans have no identity but their place
              <Fragment key={index}>{span.text}</Fragment>
            ),
          )}
        </code>
      </pre>
    </section>
  );
}
