import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { Eraser, Flame, Trash2, TriangleAlert } from "lucide-react";
import { type ReactNode, useState } from "react";
import { Button } from "@/components/button";
import { withCode } from "@/components/failure-card";
import { Page } from "@/components/page";
import { Empty, Loading, Refused } from "@/components/states";
import { type CacheStats, cacheStatsQuery } from "@/control/cache";
import { useCurrentWorkspace } from "@/control/current";
import { useMay } from "@/control/me";
import { Changes, type Open } from "./changes";
import { Entries } from "./entries";
import { CacheFigures } from "./figures";
import { Meaning } from "./meaning";
import { Misses } from "./misses";
import { Reasons } from "./reasons";
import { Tiers } from "./tiers";
import { Trend } from "./trend-chart";
import { categoryName, howToBegin, rateText } from "./words";

/** How the cache does, what lies in it, why calls were not answered from it, and having it forget or learn. */
export default function CachePage() {
  const stats = useQuery(cacheStatsQuery);
  const workspace = useCurrentWorkspace();
  const { request = "" } = useSearch({ from: "/cache" });
  const navigate = useNavigate({ from: "/cache" });
  const [open, setOpen] = useState<Open>();
  const [done, setDone] = useState("");
  const change = (next: Open) => {
    setDone("");
    setOpen(next);
  };
  const whose = stats.data?.everything ? "of all workspaces" : workspace ? `of ${workspace.name}` : "of yours";
  return (
    <Page
      title="Cache"
      lead={`Answers that are given again: how often, how quickly, and what that saves. Calls ${whose}.`}
      actions={<Actions onOpen={change} />}
    >
      <p role="status" className="-mt-4 text-body text-good-text empty:hidden">
        {done}
      </p>
      {stats.isError && !stats.data && <Refused error={stats.error} again={() => void stats.refetch()} />}
      {stats.isPending && <Loading what="the cache" rows={6} />}
      {stats.data && (
        <Shown stats={stats.data} now={stats.dataUpdatedAt / 1_000} caching={workspace?.settings.caching ?? true}>
          <Entries stats={stats.data} onGone={setDone} />
          <Misses
            request={request}
            onSearch={(sought) => void navigate({ search: sought ? { request: sought } : {}, resetScroll: false })}
          />
        </Shown>
      )}
      {stats.data && open && (
        <Changes open={open} stats={stats.data} onDone={setDone} onClose={() => setOpen(undefined)} />
      )}
    </Page>
  );
}

function Actions({ onOpen }: { onOpen: (open: Open) => void }) {
  const mayChange = useMay("cache:write");
  const mayCall = useMay("models:call");
  if (!mayChange) return null;
  return (
    <>
      {mayCall && (
        <Button onClick={() => onOpen("warm")}>
          <Flame className="size-4" aria-hidden="true" />
          Warm
        </Button>
      )}
      <Button onClick={() => onOpen("invalidate")}>
        <Eraser className="size-4" aria-hidden="true" />
        Invalidate
      </Button>
      <Button onClick={() => onOpen("clear")}>
        <Trash2 className="size-4" aria-hidden="true" />
        Clear
      </Button>
    </>
  );
}

interface ShownProps {
  stats: CacheStats;
  /** When it was told, in seconds of Unix time. */
  now: number;
  /** Whether the workspace has its calls answered from the cache. */
  caching: boolean;
  children: ReactNode;
}

function Shown({ stats, now, caching, children }: ShownProps) {
  const calls = [...Object.values(stats.hits), ...Object.values(stats.misses)].reduce((sum, one) => sum + one, 0);
  const closed = (stats.semantic?.categories ?? [])
    .filter((one) => one.closed)
    .map(({ category }) => categoryName(category));
  const isOff = !stats.enabled || stats.mode === "off";
  return (
    <>
      {stats.fall && (
        <Notice>
          Far fewer calls are answered than usual: {rateText(stats.fall.hit_rate)} of the last ten minutes' calls, and{" "}
          {rateText(stats.fall.usual_hit_rate)} in the last hour. Why they were not stands under <i>Not answered</i>.
        </Notice>
      )}
      {closed.length > 0 && (
        <Notice>
          Questions of the same meaning are not answered any more in {closed.join(", ")}: samples showed too many wrong
          answers. Whoever runs this server can reopen it below.
        </Notice>
      )}
      {isOff && (
        <Notice>{withCode("The cache is off. Set `cache.mode` in the configuration to have it answer.")}</Notice>
      )}
      {!isOff && !caching && !stats.everything && (
        <Notice>This workspace's setting Caching is off: nothing of it is kept. Change it under Workspaces.</Notice>
      )}
      <CacheFigures stats={stats} now={now} />
      {calls === 0 ? (
        !isOff && <Empty title="No call has been looked for yet">{withCode(howToBegin(stats.mode))}</Empty>
      ) : (
        <Trend stats={stats} now={now} />
      )}
      <Tiers stats={stats} now={now} />
      {stats.semantic && <Meaning semantic={stats.semantic} everything={stats.everything} />}
      {calls > 0 && <Reasons stats={stats} />}
      {children}
    </>
  );
}

function Notice({ children }: { children: ReactNode }) {
  return (
    <div role="status" className="flex items-start gap-3 rounded-l border border-line bg-warn-soft px-4 py-3 text-body">
      <TriangleAlert className="mt-0.5 size-4 shrink-0 text-warn-text" aria-hidden="true" />
      <p>{children}</p>
    </div>
  );
}
