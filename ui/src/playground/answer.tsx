import { Check, ChevronRight, Copy, RotateCcw } from "lucide-react";
import { lazy, memo, Suspense } from "react";
import { Button, IconButton } from "@/components/button";
import { CodeBlock } from "@/components/code-block";
import { FailureCard } from "@/components/failure-card";
import { LogoMark } from "@/components/logo";
import { useCopy } from "@/lib/clipboard";
import { formatCount, formatDuration } from "@/lib/format";
import { type AnswerTurn, isRunning, tokensPerSecond } from "./conversation";
import { LiveLine } from "./live";
import { session } from "./session";
import { Waiting } from "./waiting";

export const loadMarkdown = () => import("@/components/markdown-view");
const MarkdownView = lazy(loadMarkdown);

interface AnswerProps {
  answer: AnswerTurn;
  /** Given for the last answer only. */
  onRegenerate?: (() => void) | undefined;
}

export const Answer = memo(function Answer({ answer, onRegenerate }: AnswerProps) {
  return (
    <article aria-label="Answer" className="flex gap-4 max-sm:gap-3">
      <span className="mt-0.5 flex h-7 w-6 shrink-0 items-center justify-center text-ink max-sm:hidden">
        <LogoMark className={`size-5 ${isRunning(answer) ? "animate-breathe" : ""}`} />
      </span>
      <div className="min-w-0 flex-1">
        {answer.reasoning && <Reasoning text={answer.reasoning} open={answer.text === ""} />}
        <AnswerText answer={answer} />
        {answer.tools.map((tool, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: calls are numbered by the model
          <div key={index} className="mt-3">
            <CodeBlock code={tool.arguments} language="json" title={`Calls ${tool.name}`} />
          </div>
        ))}
        {answer.refusal && <p className="mt-2 text-read text-ink-2">{answer.refusal}</p>}
        {answer.state === "waiting" && <Waiting model={answer.model} />}
        {answer.failure && <Failed answer={answer} onRegenerate={onRegenerate} />}
        {isRunning(answer) && <LiveLine answer={answer} />}
        {!isRunning(answer) && <Footer answer={answer} onRegenerate={onRegenerate} />}
      </div>
    </article>
  );
});

function AnswerText({ answer }: { answer: AnswerTurn }) {
  if (!answer.text) return null;
  if (answer.json) return <CodeBlock code={indented(answer.text)} language="json" title="JSON" wrap />;
  return (
    <Suspense fallback={<div className="prose whitespace-pre-wrap">{answer.text}</div>}>
      <MarkdownView text={answer.text} writing={answer.state === "writing"} />
    </Suspense>
  );
}

/** JSON set out in lines; as it came while it is not whole. */
export function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function Reasoning({ text, open }: { text: string; open: boolean }) {
  return (
    <details open={open} className="group mb-3 rounded-l border border-line bg-code-ground px-3.5 py-2 text-body">
      <summary className="flex list-none items-center gap-1.5 font-medium text-ink-3">
        <ChevronRight className="size-3.5 transition-transform group-open:rotate-90" aria-hidden="true" />
        Reasoning
      </summary>
      <p className="mt-1.5 whitespace-pre-wrap text-ink-2">{text}</p>
    </details>
  );
}

/** Failures of the connection, behind which the answer may be whole. */
const READ_ON = new Set(["stream_lost", "server_unreachable", "invalid_api_key"]);

function Failed({ answer, onRegenerate }: AnswerProps) {
  if (!answer.failure) return null;
  const { id, streamId, failure } = answer;
  const readOn = streamId !== undefined && READ_ON.has(failure.code);
  const actions = (readOn || onRegenerate) && (
    <>
      {readOn && (
        <Button size="s" onClick={() => void session.readOn(id)}>
          <ChevronRight className="size-3.5" aria-hidden="true" />
          Read on
        </Button>
      )}
      {onRegenerate && (
        <Button size="s" onClick={onRegenerate}>
          <RotateCcw className="size-3.5" aria-hidden="true" />
          Try again
        </Button>
      )}
    </>
  );
  const title = answer.state === "broken" ? "This answer is not whole" : undefined;
  return (
    <div className={answer.text ? "mt-4" : ""}>
      <FailureCard facts={answer.failure} {...(title ? { title } : {})} actions={actions} />
    </div>
  );
}

function Footer({ answer, onRegenerate }: AnswerProps) {
  const { state, copy } = useCopy();
  if (answer.state === "failed") return null;
  return (
    <footer className="mt-2.5 flex items-start gap-x-2.5">
      <span className="-mt-1.25 -ml-1.5 flex">
        {answer.text && (
          <IconButton
            label={state === "copied" ? "Copied" : "Copy the answer"}
            onClick={() => copy(answer.text)}
            className="size-7"
          >
            {state === "copied" ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
          </IconButton>
        )}
        {onRegenerate && (
          <IconButton label="Ask again" onClick={onRegenerate} className="size-7">
            <RotateCcw aria-hidden="true" />
          </IconButton>
        )}
      </span>
      <Figures answer={answer} />
    </footer>
  );
}

/** What the answer took, as figures; only what is known, and estimates marked as such. */
function Figures({ answer }: { answer: AnswerTurn }) {
  return (
    <dl aria-label="Figures" className="flex flex-wrap items-baseline gap-x-3.5 gap-y-1 text-small text-ink-3 tabular">
      {figuresOf(answer).map(({ name, value, mono, title }) => (
        <div key={name} className="flex items-baseline gap-1.5" title={title}>
          <dt>{name}</dt>
          <dd className={`text-ink-2 ${mono ? "max-w-32 truncate font-mono text-[0.6875rem]" : "font-medium"}`}>
            {value}
          </dd>
        </div>
      ))}
      {answer.requestId && !answer.failure && (
        <div className="flex items-baseline gap-1.5">
          <dt>Request</dt>
          <dd>
            <RequestId id={answer.requestId} />
          </dd>
        </div>
      )}
    </dl>
  );
}

/** Both ends of the ID, since the beginning alone tells none apart; a click copies the whole. */
function RequestId({ id }: { id: string }) {
  const { state, copy } = useCopy();
  const shown = id.length > 18 ? `${id.slice(0, 8)}…${id.slice(-6)}` : id;
  return (
    <button
      type="button"
      title={id}
      onClick={() => copy(id)}
      className="rounded-s font-mono text-[0.6875rem] text-ink-2 hover:text-ink hover:underline hover:underline-offset-2"
    >
      <span className="sr-only">Copy the request ID </span>
      {state === "copied" ? "Copied" : shown}
    </button>
  );
}

interface Figure {
  name: string;
  value: string;
  mono?: boolean;
  title?: string;
}

export function figuresOf(answer: AnswerTurn): Figure[] {
  const { firstTokenMs, usage, usageEstimated, finishReason, answeredBy, model, dropped } = answer;
  const figures: Figure[] = [];
  const counted = (count: number) => `${usageEstimated ? "≈ " : ""}${formatCount(count)}`;
  const speed = tokensPerSecond(answer);
  if (answer.state === "stopped")
    figures.push({ name: "Stopped", value: answer.stoppedElsewhere ? "elsewhere" : "by you" });
  if (firstTokenMs !== undefined) figures.push({ name: "First token", value: formatDuration(firstTokenMs) });
  if (speed !== undefined) figures.push({ name: "Speed", value: `${speed.toFixed(speed < 100 ? 1 : 0)} tok/s` });
  if (usage) {
    figures.push({ name: "In", value: counted(usage.input), title: "Input tokens" });
    figures.push({ name: "Out", value: counted(usage.output), title: "Output tokens" });
  }
  if (finishReason) figures.push({ name: "Finish", value: finishReason });
  if (answeredBy && answeredBy !== model) figures.push({ name: "Answered by", value: answeredBy, mono: true });
  if (dropped.length)
    figures.push({ name: "Left out", value: dropped.join(", "), title: "Not supported by this model" });
  return figures;
}
