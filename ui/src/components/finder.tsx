import { Search } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useMemo, useRef, useState } from "react";

export interface FinderItem {
  key: string;
  /** What the filter looks at, beside `words`. */
  label: string;
  words?: string;
  group: string;
  content: ReactNode;
  onPick: () => void;
}

interface FinderProps {
  items: FinderItem[];
  /** The accessible name of the field and the list. */
  label: string;
  placeholder: string;
  /** What is said when nothing matches. */
  nothing: string;
  current?: string | undefined;
  onPicked: () => void;
}

/** Every word of the query stands somewhere in the text. */
export function matches(query: string, text: string): boolean {
  const haystack = text.toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => haystack.includes(word));
}

/** A field with a grouped list below it, worked by keyboard alone: the command palette and the model picker. */
export function Finder({ items, label, placeholder, nothing, current, onPicked }: FinderProps) {
  const [query, setQuery] = useState("");
  const found = useMemo(
    () => items.filter((item) => matches(query, `${item.label} ${item.group} ${item.words ?? ""}`)),
    [items, query],
  );
  const [active, setActive] = useState(() =>
    Math.max(
      0,
      items.findIndex((item) => item.key === current),
    ),
  );
  const at = Math.min(active, found.length - 1);
  const id = useId();
  const list = useRef<HTMLDivElement>(null);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the active row must be in view whenever rows or choice change
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" });
  }, [at, found]);

  const pick = (item: FinderItem | undefined) => {
    if (!item) return;
    onPicked();
    item.onPick();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    const step = steps[event.key];
    if (step !== undefined) setActive(Math.min(found.length - 1, Math.max(0, at + step)));
    else if (event.key === "Enter") pick(found[at]);
    else return;
    event.preventDefault();
  };

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex h-11 shrink-0 items-center gap-2.5 border-b border-line px-3.5">
        <Search className="size-4 shrink-0 text-ink-3" aria-hidden="true" />
        <input
          // biome-ignore lint/a11y/noAutofocus: opening the finder is asking to type
          autoFocus
          role="combobox"
          aria-expanded="true"
          aria-controls={`${id}-list`}
          aria-activedescendant={found[at] ? `${id}-${found[at].key}` : undefined}
          aria-label={label}
          placeholder={placeholder}
          value={query}
          onChange={(event) => {
            setQuery(event.target.value);
            setActive(0);
          }}
          onKeyDown={onKeyDown}
          className="h-full min-w-0 flex-1 bg-transparent text-base focus-visible:outline-none max-sm:text-[1rem]"
          spellCheck={false}
          autoComplete="off"
        />
      </div>
      <div
        ref={list}
        id={`${id}-list`}
        role="listbox"
        aria-label={label}
        className="min-h-0 flex-1 overflow-y-auto p-1.5"
      >
        {found.length === 0 && <p className="px-2.5 py-6 text-center text-body text-ink-3">{nothing}</p>}
        {grouped(found).map(([group, members]) => (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset would not be a group of options
          <div key={group} role="group" aria-label={group} className="pb-1">
            <p aria-hidden="true" className="px-2.5 pt-2 pb-1 text-micro font-medium text-ink-3">
              {group}
            </p>
            {members.map(([item, index]) => (
              <div
                key={item.key}
                id={`${id}-${item.key}`}
                role="option"
                tabIndex={-1}
                aria-selected={index === at}
                onPointerMove={() => setActive(index)}
                onClick={() => pick(item)}
                onKeyDown={onKeyDown}
                className="flex min-h-9 cursor-pointer items-center gap-2.5 rounded-m px-2.5 py-1.5 text-body text-ink-2 aria-selected:bg-hover aria-selected:text-ink"
              >
                {item.content}
              </div>
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

function grouped(items: FinderItem[]): [string, [FinderItem, number][]][] {
  const groups = new Map<string, [FinderItem, number][]>();
  for (const [index, item] of items.entries()) {
    const members = groups.get(item.group) ?? [];
    members.push([item, index]);
    groups.set(item.group, members);
  }
  return [...groups];
}
