import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Eye, Trash2 } from "lucide-react";
import { lazy, type ReactNode, Suspense, useState } from "react";
import { Badges } from "@/components/badge";
import { Button } from "@/components/button";
import { CodeBlock, CopyButton } from "@/components/code-block";
import Sheet from "@/components/sheet";
import { Refused } from "@/components/states";
import { contentQuery, type Entry } from "@/control/cache";
import { useMay } from "@/control/me";
import { formatBytes, formatCount } from "@/lib/format";
import { textsOf } from "./content";
import { Standing } from "./standing";
import { SHARED, savedBy, spanText } from "./words";

const MarkdownView = lazy(() => import("@/components/markdown-view"));

interface EntrySheetProps {
  entry: Entry | undefined;
  onClose: () => void;
  onDelete: (entry: Entry) => void;
}

/** All that is known of one answer, and what it says for those who may read it. */
export function EntrySheet({ entry, onClose, onDelete }: EntrySheetProps) {
  const mayDelete = useMay("cache:write");
  return (
    <Sheet
      open={entry !== undefined}
      onOpenChange={(opened) => !opened && onClose()}
      title="Kept answer"
      description={entry?.model ?? ""}
    >
      {entry && (
        <div className="flex flex-col gap-5">
          <Facts entry={entry} />
          <Content key={entry.key} entry={entry} />
          {mayDelete && (
            <div>
              <Button onClick={() => onDelete(entry)}>
                <Trash2 className="size-4" aria-hidden="true" />
                Delete
              </Button>
            </div>
          )}
        </div>
      )}
    </Sheet>
  );
}

function Facts({ entry }: { entry: Entry }) {
  return (
    <dl className="grid grid-cols-2 gap-x-8 gap-y-3 text-body">
      <Fact name="State">
        <Standing entry={entry} />
      </Fact>
      <Fact name="Age">{spanText(entry.age_s)}</Fact>
      <Fact name="Used">
        {entry.uses === 1 ? "Once" : `${formatCount(entry.uses)} times`}, ${savedBy(entry)} saved
      </Fact>
      <Fact name="Each time">
        {formatCount(entry.input_tokens)} tokens in, {formatCount(entry.output_tokens)} out, ${entry.cost_usd}
      </Fact>
      <Fact name="Shared by">{SHARED[entry.shared_by]}</Fact>
      <Fact name="Size">{formatBytes(entry.bytes).join(" ")}</Fact>
      <Fact name="Tags">
        <Badges words={entry.tags} none="None" />
      </Fact>
      <Fact name="Made for" wide>
        <Link
          to="/ledger"
          search={{ request: entry.request_id }}
          title="In the ledger"
          className="font-mono text-[0.78125rem] text-accent-text underline-offset-2 hover:underline"
        >
          {entry.request_id}
        </Link>
      </Fact>
      <Fact name="Key" wide>
        <span className="flex items-center gap-1">
          <span className="truncate font-mono text-[0.78125rem]" title={entry.key}>
            {entry.key}
          </span>
          <CopyButton text={entry.key} />
        </span>
      </Fact>
    </dl>
  );
}

function Fact({ name, wide = false, children }: { name: string; wide?: boolean; children: ReactNode }) {
  return (
    <div className={`min-w-0 ${wide ? "col-span-2" : ""}`}>
      <dt className="text-small text-ink-3">{name}</dt>
      <dd className="min-w-0 [overflow-wrap:anywhere]">{children}</dd>
    </div>
  );
}

/** What it says: asked for by a click alone, since reading it is written down. */
function Content({ entry }: { entry: Entry }) {
  const mayRead = useMay("requests:read_content");
  const [wanted, setWanted] = useState(false);
  const content = useQuery({ ...contentQuery(entry.key), enabled: wanted });
  if (!mayRead) {
    return (
      <p className="text-body text-ink-3">
        What it says is told to those alone who have the permission{" "}
        <code className="rounded-s bg-hover px-1 text-ink">requests:read_content</code>.
      </p>
    );
  }
  if (!wanted || content.isPending) {
    return (
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5">
        <Button disabled={wanted} onClick={() => setWanted(true)}>
          <Eye className="size-4" aria-hidden="true" />
          {wanted ? "One moment…" : "Show what it says"}
        </Button>
        <span className="text-small text-ink-3">The audit log notes who read it.</span>
      </div>
    );
  }
  if (content.isError) return <Refused error={content.error} again={() => void content.refetch()} />;
  return <Said content={content.data} />;
}

function Said({ content }: { content: unknown }) {
  const texts = textsOf(content);
  return (
    <section aria-label="What it says" className="flex flex-col gap-4">
      {texts.map((text, place) => (
        <div
          // biome-ignore lint/suspicious/noArrayIndexKey: the choices of one answer
          key={place}
          className="rounded-l border border-line bg-sheet px-4 py-3"
        >
          <Suspense fallback={<p className="whitespace-pre-wrap">{text}</p>}>
            <MarkdownView text={text} />
          </Suspense>
        </div>
      ))}
      <CodeBlock code={JSON.stringify(content, null, 2)} language="json" title="As it is kept" wrap />
    </section>
  );
}
