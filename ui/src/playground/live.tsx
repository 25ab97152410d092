import type { StreamProgress } from "@narthex/client";
import { Check, ExternalLink, Link2, Pause, Play } from "lucide-react";
import { Button, IconButton } from "@/components/button";
import { useCopy } from "@/lib/clipboard";
import { useStore } from "@/lib/external-store";
import { formatCount, formatDuration } from "@/lib/format";
import type { AnswerTurn, Live } from "./conversation";
import { session } from "./session";

/** What is shown under an answer while it is written: how far it is, who reads it, and the way to it from elsewhere. */
export function LiveLine({ answer }: { answer: AnswerTurn }) {
  const live = useStore(session.live);
  if (live.turnId !== answer.id || !answer.streamId || !live.report) return null;
  return (
    <div className="mt-2.5 flex items-start gap-x-2.5">
      <StreamLinks streamId={answer.streamId} />
      <dl
        aria-label="Progress"
        className="flex flex-wrap items-baseline gap-x-3.5 gap-y-1 text-small text-ink-3 tabular"
      >
        <State live={live} />
        {progressOf(live.report.progress, live.report.readers).map(({ name, value }) => (
          <div key={name} className="flex items-baseline gap-1.5">
            <dt>{name}</dt>
            <dd className="font-medium text-ink-2">{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

const STATES: Partial<Record<Live["state"], string>> = {
  paused: "Paused",
  reconnecting: "Connection lost, looking for it",
};

function State({ live }: { live: Live }) {
  const said = STATES[live.state];
  if (!said) return null;
  return (
    <div className="flex items-baseline gap-1.5">
      <dt className="sr-only">State</dt>
      <dd className="font-medium text-ink">{said}</dd>
    </div>
  );
}

/** Where the answer is: for another tab, or for somebody else with the same key. */
function StreamLinks({ streamId }: { streamId: string }) {
  const { state, copy } = useCopy();
  const path = `/?stream=${streamId}`;
  const label = state === "copied" ? "Link copied" : "Copy a link to this answer";
  return (
    <span className="-mt-1.25 -ml-1.5 flex">
      <a
        href={path}
        // As opener, so that the tab begins with a copy of this one's session: the conversation, and the key.
        // biome-ignore lint/security/noBlankTarget: it is the same page
        target="_blank"
        rel="opener"
        aria-label="Open in a new tab"
        data-hint="Open in a new tab"
        className="inline-flex size-7 shrink-0 items-center justify-center rounded-m text-ink-3 transition-colors hover:bg-hover hover:text-ink [&_svg]:size-4"
      >
        <ExternalLink aria-hidden="true" />
      </a>
      <IconButton label={label} onClick={() => copy(location.origin + path)} className="size-7">
        {state === "copied" ? <Check aria-hidden="true" /> : <Link2 aria-hidden="true" />}
      </IconButton>
    </span>
  );
}

interface Figure {
  name: string;
  value: string;
}

function progressOf(progress: StreamProgress, readers: number): Figure[] {
  const { output_tokens: tokens, limit_tokens: limit, events_per_s: rate, first_token_ms: first } = progress;
  const of = limit === null ? "" : ` of ${formatCount(limit)}`;
  const figures = [{ name: "Tokens", value: `${formatCount(tokens)}${of}` }];
  if (tokens > 1 && rate > 0) figures.push({ name: "Speed", value: `${rate.toFixed(rate < 100 ? 1 : 0)} tok/s` });
  if (first !== null) figures.push({ name: "First token", value: formatDuration(first) });
  if (readers > 1) figures.push({ name: "Readers", value: formatCount(readers) });
  return figures;
}

/** Where the server keeps the answer, it can hold it. */
export function PauseButton() {
  const { state, report } = useStore(session.live);
  if (!report) return null;
  const paused = state === "paused";
  return (
    <Button
      size="s"
      onClick={() => void session.pauseOrResume()}
      disabled={state !== "streaming" && !paused}
      className="h-8 px-3"
    >
      {paused ? <Play className="size-3" aria-hidden="true" /> : <Pause className="size-3" aria-hidden="true" />}
      {paused ? "Resume" : "Pause"}
    </Button>
  );
}
