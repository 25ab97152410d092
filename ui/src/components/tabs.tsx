import { Tabs as Base } from "@base-ui/react/tabs";
import type { ReactNode } from "react";

export interface Tab {
  value: string;
  name: string;
  content: ReactNode;
}

/** A row of names with a line under the chosen one. */
export function Tabs({ tabs, label }: { tabs: Tab[]; label: string }) {
  return (
    <Base.Root defaultValue={tabs[0]?.value}>
      <Base.List
        aria-label={label}
        className="relative flex gap-5 overflow-x-auto overflow-y-hidden border-b border-line [scrollbar-width:none]"
      >
        {tabs.map((tab) => (
          <Base.Tab
            key={tab.value}
            value={tab.value}
            className="h-9 shrink-0 rounded-s text-body font-medium whitespace-nowrap focus-visible:-outline-offset-2 text-ink-3 transition-colors hover:text-ink data-[active]:text-ink"
          >
            {tab.name}
          </Base.Tab>
        ))}
        <Base.Indicator className="absolute bottom-0 left-[var(--active-tab-left)] h-[2px] w-[var(--active-tab-width)] rounded-full bg-accent transition-all duration-200 ease-[var(--ease-out)]" />
      </Base.List>
      {tabs.map((tab) => (
        <Base.Panel key={tab.value} value={tab.value} className="pt-4">
          {tab.content}
        </Base.Panel>
      ))}
    </Base.Root>
  );
}
