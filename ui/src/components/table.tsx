import type { ReactNode } from "react";

export interface Column {
  name: string;
  /** Whether it holds figures, set flush right. */
  figures?: boolean;
  /** Whether its name is for screen readers only. */
  unnamed?: boolean;
}

/** A list as a table; on a phone each row becomes a card whose cells carry the column's name. */
export function Table({ label, columns, children }: { label: string; columns: Column[]; children: ReactNode }) {
  return (
    <div className="overflow-hidden rounded-l border border-line bg-sheet shadow-1">
      <table aria-label={label} className="w-full text-left text-body">
        <thead className="text-small text-ink-3 max-md:sr-only">
          <tr className="border-b border-line [&>th]:py-2.5 [&>th]:pr-4 [&>th]:font-medium [&>th:first-child]:pl-5">
            {columns.map(({ name, figures, unnamed }) => (
              <th key={name} scope="col" className={figures ? "text-right" : ""}>
                {unnamed ? <span className="sr-only">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

export function Row({ children, dim = false }: { children: ReactNode; dim?: boolean }) {
  return (
    <tr
      className={`border-b border-line align-top transition-colors last:border-0 hover:bg-hover max-md:grid max-md:grid-cols-[minmax(0,1fr)_auto] max-md:gap-x-3 max-md:gap-y-1.5 max-md:px-4 max-md:py-3.5 ${dim ? "text-ink-3" : ""}`}
    >
      {children}
    </tr>
  );
}

/** The cell that names its row. */
export function NameCell({ children }: { children: ReactNode }) {
  return (
    <th scope="row" className="py-3 pr-4 pl-5 text-left font-normal max-md:col-start-1 max-md:p-0">
      {children}
    </th>
  );
}

interface CellProps {
  /** Of the column, shown before the cell on a phone. */
  name: string;
  figures?: boolean;
  children: ReactNode;
}

export function Cell({ name, figures = false, children }: CellProps) {
  return (
    <td
      className={`py-3 pr-4 max-md:col-span-2 max-md:flex max-md:items-baseline max-md:gap-3 max-md:p-0 max-md:text-left ${figures ? "text-right tabular" : ""}`}
    >
      <span aria-hidden="true" className="w-24 shrink-0 text-small text-ink-3 md:hidden">
        {name}
      </span>
      <span className="min-w-0 max-md:flex-1">{children}</span>
    </td>
  );
}

/** The cell of what can be done with a row; on a phone it stands beside the name. */
export function ActionCell({ children }: { children: ReactNode }) {
  return (
    <td className="py-2 pr-3 text-right max-md:col-start-2 max-md:row-start-1 max-md:p-0">
      <span className="flex items-center justify-end gap-0.5">{children}</span>
    </td>
  );
}
