import type { ReactNode } from "react";
import { factsOf } from "@/control/call";
import { Button } from "./button";
import { FailureCard, withCode } from "./failure-card";
import { LogoMark } from "./logo";

/** What stands where there is nothing yet: what this is for, and how to begin. */
export function Empty({ title, children, action }: { title: string; children: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center rounded-l border border-dashed border-line-strong px-6 py-12 text-center">
      <LogoMark className="mb-3 size-7 text-ink-3" />
      <h2 className="font-semibold">{title}</h2>
      <p className="mt-1 max-w-[32rem] text-body text-ink-2">{children}</p>
      {action && <div className="mt-4">{action}</div>}
    </div>
  );
}

/** The shape of a list that is on its way. */
export function Loading({ what, rows = 3 }: { what: string; rows?: number }) {
  return (
    <div role="status" aria-label={`Loading ${what}`} className="rounded-l border border-line bg-sheet shadow-1">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows of nothing
        <div key={row} className="flex items-center gap-6 border-b border-line px-5 py-4 last:border-0">
          <span className="h-3 w-40 animate-breathe rounded-s bg-press" />
          <span className="h-3 w-24 animate-breathe rounded-s bg-press" />
          <span className="ml-auto h-3 w-16 animate-breathe rounded-s bg-press" />
        </div>
      ))}
    </div>
  );
}

/** The permission that a refusal names. */
export function permissionIn(message: string): string | undefined {
  return /`([a-z_]+:[a-z_]+)`/.exec(message)?.[1];
}

/** Why something cannot be shown; where it is for want of a permission, who can give it. */
export function Refused({ error, again }: { error: unknown; again?: () => void }) {
  const facts = factsOf(error);
  if (facts.status === 403) return <NoPermission permission={permissionIn(facts.message)} />;
  return (
    <FailureCard
      facts={facts}
      actions={
        again && (
          <Button size="s" onClick={again}>
            Try again
          </Button>
        )
      }
    />
  );
}

function NoPermission({ permission }: { permission: string | undefined }) {
  const words = permission ? `with the permission \`${permission}\`` : "that allows it";
  return (
    <div role="alert" className="rounded-l border border-line bg-sheet px-5 py-6 shadow-1">
      <h2 className="font-semibold">This is not open to you</h2>
      <p className="mt-1 max-w-[40rem] text-body text-ink-2">
        {withCode(
          `It needs a role ${words}. An owner or an admin of the workspace can give you one, under Members; for all workspaces, an owner of the organisation.`,
        )}
      </p>
    </div>
  );
}
