import { LockOpen } from "lucide-react";
import { useState } from "react";
import { ActionsMenu } from "@/components/actions-menu";
import { Badge } from "@/components/badge";
import { Confirm } from "@/components/modal";
import { ActionCell, Cell, NameCell, Row, Table } from "@/components/table";
import { type Category, reopenCategory, type SemanticStats } from "@/control/cache";
import { useDoing } from "@/control/directory";
import { useMay } from "@/control/me";
import { formatBytes, formatCompact } from "@/lib/format";
import { SectionHeading } from "@/overview/overview-page";
import { boundOf, categoryName, rateText } from "./words";

const COLUMNS = [
  { name: "Questions" },
  { name: "Answered" },
  { name: "Sure from", figures: true },
  { name: "Wrong answers" },
  { name: "State" },
  { name: "Actions", unnamed: true },
];

interface MeaningProps {
  semantic: SemanticStats;
  /** Whether the reader runs this server. */
  everything: boolean;
}

/** How answers to questions of the same meaning do, and whether samples show that they keep within their bound. */
export function Meaning({ semantic, everything }: MeaningProps) {
  const mayChange = useMay("cache:write") && everything;
  const [reopened, setReopened] = useState<Category>();
  return (
    <section aria-labelledby="meaning">
      <SectionHeading id="meaning" title="Questions of the same meaning">
        <p className="text-small text-ink-3">{summaryOf(semantic)}</p>
      </SectionHeading>
      <Table label="Questions of the same meaning" columns={COLUMNS}>
        {semantic.categories.map((one) => (
          <CategoryRow
            key={one.category}
            one={one}
            bound={semantic.error_bound}
            {...(mayChange && one.closed ? { onReopen: () => setReopened(one) } : {})}
          />
        ))}
      </Table>
      {semantic.embedding_off && (
        <p className="mt-2 text-small text-warn-text">
          The embedding model was too slow, and is left alone for a while: nothing is looked for by meaning.
        </p>
      )}
      {reopened && <Reopening one={reopened} onClose={() => setReopened(undefined)} />}
    </section>
  );
}

function summaryOf({ embedding_model: model, questions, bytes, waiting_for_judge: waiting }: SemanticStats): string {
  const known = questions === null ? [] : [`${formatCompact(questions)} known`];
  const held = bytes === null ? [] : [formatBytes(bytes).join(" ")];
  const judged = waiting ? [`${formatCompact(waiting)} to be judged`] : [];
  return [`By ${model}`, ...known, ...held, ...judged].join(", ");
}

function CategoryRow({ one, bound, onReopen }: { one: Category; bound: number; onReopen?: () => void }) {
  const { text, note, tone } = boundOf(one, bound);
  const name = categoryName(one.category);
  return (
    <Row>
      <NameCell>
        <span className="font-medium">{name}</span>
      </NameCell>
      <Cell name="Answered">
        <span className="tabular">{rateText(one.looks ? one.hits / one.looks : null)}</span>
        <span className="block text-small text-ink-3 tabular">
          {formatCompact(one.hits)} of {formatCompact(one.looks)}
        </span>
      </Cell>
      <Cell name="Sure from" figures>
        {one.least_probability === null ? <span className="text-ink-3">Never</span> : rateText(one.least_probability)}
      </Cell>
      <Cell name="Wrong answers">
        <span title="The share that is exceeded with a probability of 5 % at most">
          <Badge tone={tone}>{text}</Badge> <span className="text-small text-ink-3">bound {rateText(bound)}</span>
        </span>
        <span className="block pt-0.5 text-small text-ink-3">{note}</span>
      </Cell>
      <Cell name="State">
        <Badge tone={one.closed ? "bad" : "plain"}>{one.closed ? "Closed" : "Open"}</Badge>
      </Cell>
      <ActionCell>
        {onReopen && (
          <ActionsMenu label={`Actions for ${name}`} actions={[{ name: "Reopen", Icon: LockOpen, onPick: onReopen }]} />
        )}
      </ActionCell>
    </Row>
  );
}

function Reopening({ one, onClose }: { one: Category; onClose: () => void }) {
  const doing = useDoing(["cache"], reopenCategory);
  return (
    <Confirm
      open
      title={`Reopen ${categoryName(one.category)}?`}
      verb="Reopen"
      busy={doing.isPending}
      error={doing.error}
      onConfirm={() => doing.mutate(one.category, { onSuccess: onClose })}
      onClose={onClose}
    >
      Too many of its answers were found wrong. It answers again from now on, and its samples are counted anew.
    </Confirm>
  );
}
