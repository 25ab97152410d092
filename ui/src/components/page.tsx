import { type ReactNode, useEffect } from "react";

interface PageProps {
  title: string;
  /** What the page is about, in a sentence. */
  lead?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

/** A page that scrolls as a whole, with its heading and what can be done there. */
export function Page({ title, lead, actions, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Narthex`;
  }, [title]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section aria-label={title} tabIndex={0} className="h-full overflow-y-auto focus-visible:-outline-offset-2">
      <div className="mx-auto flex max-w-[66rem] flex-col gap-7 px-4 pt-8 pb-16 sm:px-8 sm:pt-10">
        <header className="flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
          <div className="min-w-0">
            <h1 className="text-head font-[620] tracking-[-0.022em]">{title}</h1>
            {lead && <p className="mt-1 max-w-[44rem] text-ink-2">{lead}</p>}
          </div>
          {actions && <div className="flex flex-wrap gap-2">{actions}</div>}
        </header>
        {children}
      </div>
    </section>
  );
}
