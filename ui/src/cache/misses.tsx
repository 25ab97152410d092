import { useInfiniteQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { withCode } from "@/components/failure-card";
import { SearchField } from "@/components/search-field";
import { ShowOlder } from "@/components/show-older";
import { Empty, Loading, Refused } from "@/components/states";
import { Cell, NameCell, Row, Table } from "@/components/table";
import { type Miss, missesQuery } from "@/control/cache";
import { formatAgo, formatMoment } from "@/lib/time";
import { SectionHeading } from "@/overview/overview-page";
import { meaningText, reasonOf } from "./words";

const COLUMNS = [{ name: "When" }, { name: "Why" }, { name: "Model" }, { name: "Request" }];

interface MissesProps {
  /** ID of the one request that is asked about; empty for the latest of all. */
  request: string;
  onSearch: (request: string) => void;
}

/** Why calls were not answered from the cache: the latest, or the one that is asked about. */
export function Misses({ request, onSearch }: MissesProps) {
  return (
    <section aria-labelledby="misses">
      <SectionHeading id="misses" title="Why calls were not answered">
        <div className="w-full sm:w-64">
          <SearchField key={request} label="Request ID" value={request} onSearch={onSearch} />
        </div>
      </SectionHeading>
      <MissList request={request} />
    </section>
  );
}

function MissList({ request }: { request: string }) {
  const misses = useInfiniteQuery(missesQuery(request));
  if (misses.isPending) return <Loading what="misses" />;
  if (misses.isError) return <Refused error={misses.error} again={() => void misses.refetch()} />;
  const found = misses.data.pages.flatMap(({ data }) => data);
  if (found.length === 0) return <NoMisses request={request} />;
  return (
    <>
      <Table label="Calls that were not answered" columns={COLUMNS}>
        {found.map((miss) => (
          <MissRow key={miss.request_id} miss={miss} />
        ))}
      </Table>
      {!request && <ShowOlder list={misses} />}
    </>
  );
}

function NoMisses({ request }: { request: string }) {
  if (!request) {
    return <Empty title="No misses">Every call that was looked for was answered, or none was looked for yet.</Empty>;
  }
  return (
    <Empty title="This request is not among the latest misses">
      {withCode(
        "It was answered from the cache, was none that is looked for (see `cache.mode`, and its answer's header `x-narthex-cache`), belongs to another workspace, or was too long ago: the last 200 are remembered.",
      )}
    </Empty>
  );
}

function MissRow({ miss }: { miss: Miss }) {
  const { name, note } = reasonOf(miss.reason);
  return (
    <Row>
      <NameCell>
        <time title={formatMoment(miss.at)} className="whitespace-nowrap">
          {formatAgo(miss.at)}
        </time>
      </NameCell>
      <Cell name="Why">
        <span className="font-medium">{name}</span>
        <span className="block text-small text-ink-3">{withCode(note)}</span>
        {miss.semantic && (
          <span className="block text-small text-ink-3">
            By meaning: {meaningText(miss.semantic, miss.similarity)}.
          </span>
        )}
      </Cell>
      <Cell name="Model">
        <span className="font-mono text-[0.78125rem] [overflow-wrap:anywhere]">{miss.model}</span>
      </Cell>
      <Cell name="Request">
        <Link
          to="/ledger"
          search={{ request: miss.request_id }}
          title="In the ledger"
          className="font-mono text-[0.78125rem] [overflow-wrap:anywhere] text-accent-text underline-offset-2 hover:underline md:whitespace-nowrap"
        >
          {miss.request_id}
        </Link>
      </Cell>
    </Row>
  );
}
