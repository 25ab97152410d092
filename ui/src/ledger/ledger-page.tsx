import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { ExportButton } from "@/components/export-button";
import { Page } from "@/components/page";
import { useCurrentWorkspace } from "@/control/current";
import { useWorkspaces } from "@/control/directory";
import { type EntriesAsked, entriesPath } from "@/control/ledger";
import { useMe } from "@/control/me";
import { usageQuery } from "@/control/usage";
import { formatCompact, formatCount } from "@/lib/format";
import { useLabels } from "@/usage/labels";
import { spanOf } from "@/usage/spans";
import { Caveats } from "@/usage/usage-figures";
import { CallList } from "./call-list";
import { Controls } from "./controls";
import type { LedgerAddress } from "./search";

const MINUTE_S = 60;

/** Every call: who made it, on which model, when, and what it cost to the last digit. */
export default function LedgerPage() {
  const workspaces = useWorkspaces();
  const workspace = useCurrentWorkspace();
  const said = useSearch({ from: "/ledger" });
  const address: LedgerAddress = { filters: workspace ? { workspace: workspace.id } : {}, ...said };
  const navigate = useNavigate({ from: "/ledger" });
  const show = (next: LedgerAddress) => void navigate({ search: next, resetScroll: false });
  const me = useMe();
  const label = useLabels();
  // By the minute, so that it is the same question until there is something new to ask.
  const { from, to } = spanOf(address.span ?? "30d", Math.floor(Date.now() / 1_000 / MINUTE_S) * MINUTE_S);
  const asked: EntriesAsked = {
    from,
    to,
    filters: address.filters ?? {},
    organisationId: me && !me.is_operator ? me.organisation_id : undefined,
    request: address.request ?? "",
  };
  return (
    <Page
      title="Ledger"
      lead="Every call, newest first: who made it, on which model, when, and what it cost to the last digit."
      actions={
        <ExportButton path={entriesPath(asked)} name="narthex-entries.csv">
          Export CSV
        </ExportButton>
      }
    >
      <Controls address={address} asked={asked} label={label} onShow={show} />
      {!workspaces.isPending && (
        <>
          <Summary asked={asked} />
          <CallList asked={asked} label={label} />
        </>
      )}
    </Page>
  );
}

/** What all calls come to that are listed, or would be. */
function Summary({ asked: { from, to, filters, organisationId, request } }: { asked: EntriesAsked }) {
  const { data } = useQuery({ ...usageQuery({ from, to, filters, organisationId }), enabled: request === "" });
  const sums = data?.total;
  if (request !== "" || !sums || sums.requests + sums.attempts === 0) return null;
  return (
    <div className="-mb-3">
      <dl className="flex flex-wrap items-baseline gap-x-7 gap-y-1.5 tabular">
        <Sum name="Cost" value={`$${sums.cost_usd}`} strong />
        <Sum name="Calls" value={formatCount(sums.requests)} />
        <Sum name="Attempts" value={formatCount(sums.attempts)} />
        <Sum name="Tokens" value={`${formatCompact(sums.input_tokens)} in, ${formatCompact(sums.output_tokens)} out`} />
        {Number(sums.saved_usd) > 0 && <Sum name="Saved by caching" value={`$${sums.saved_usd}`} />}
      </dl>
      <Caveats sums={sums} />
    </div>
  );
}

function Sum({ name, value, strong = false }: { name: string; value: string; strong?: boolean }) {
  return (
    <div className="flex items-baseline gap-2">
      <dt className="text-small text-ink-3">{name}</dt>
      <dd className={strong ? "text-title font-semibold tracking-[-0.012em]" : "font-medium"}>{value}</dd>
    </div>
  );
}
