import type { ReactNode } from "react";

/** Figures side by side, each with its name above and a word about it below. */
export function Figures({ children }: { children: ReactNode }) {
  return (
    <dl className="grid grid-cols-2 overflow-hidden rounded-l border border-line bg-line shadow-1 [gap:1px] lg:grid-cols-4">
      {children}
    </dl>
  );
}

interface FigureProps {
  name: string;
  value: ReactNode;
  /** All of its digits, for whoever asks. */
  exact?: string | undefined;
  /** Whether what is said of it is a fault. */
  bad?: boolean;
  /** How it was lately. */
  line?: ReactNode;
  children: ReactNode;
}

export function Figure({ name, value, exact, bad = false, line, children }: FigureProps) {
  return (
    <div className="relative flex flex-col bg-sheet px-4 pt-3.5 pb-3.5 sm:px-5">
      <dt className="eyebrow">{name}</dt>
      <dd title={exact} className="mt-1.5 text-figure font-[560] tracking-[-0.03em] tabular max-sm:text-[1.375rem]">
        {value}
      </dd>
      <dd className={`mt-0.5 text-small tabular ${bad ? "text-bad-text" : "text-ink-3"}`}>{children}</dd>
      {line && <dd className="pointer-events-none absolute top-4 right-4 max-sm:hidden">{line}</dd>}
    </div>
  );
}
