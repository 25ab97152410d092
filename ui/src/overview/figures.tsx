import { useEffect, useState } from "react";
import { Figure, Figures as Frame } from "@/components/figures";
import { Sparkline } from "@/components/sparkline";
import type { SystemStatus } from "@/lib/api";
import { formatBytes, formatCompact, formatCount, formatUptime } from "@/lib/format";

const SAMPLES_KEPT = 60;

interface Sample {
  at: number;
  requests: number;
  tokens: number;
  memory: number;
}

/** What was polled since the dashboard was opened; it outlives the page so that going to and fro loses nothing. */
let samples: Sample[] = [];

function useSamples(status: SystemStatus, at: number): Sample[] {
  const [kept, setKept] = useState(samples);
  useEffect(() => {
    if (samples.at(-1)?.at === at) return;
    const restarted = (samples.at(-1)?.requests ?? 0) > status.requests.total;
    const { input, output } = status.tokens;
    const sample = { at, requests: status.requests.total, tokens: input + output, memory: status.memory_bytes };
    samples = [...(restarted ? [] : samples), sample].slice(-SAMPLES_KEPT);
    setKept(samples);
  }, [status, at]);
  return kept;
}

/** How much was added between one sample and the next, per second. */
function rates(kept: Sample[], figure: (sample: Sample) => number): number[] {
  return kept.slice(1).map((sample, index) => {
    const before = kept[index] ?? sample;
    return (figure(sample) - figure(before)) / Math.max(0.001, (sample.at - before.at) / 1_000);
  });
}

export function Figures({ status, at }: { status: SystemStatus; at: number }) {
  const kept = useSamples(status, at);
  const { requests, tokens } = status;
  const [memory, memoryUnit] = formatBytes(status.memory_bytes);
  return (
    <Frame>
      <Figure name="Uptime" value={<WithUnits text={formatUptime(status.uptime_s)} />}>
        {requests.active ? `${formatCount(requests.active)} running now` : "Nothing running now"}
      </Figure>
      <Figure
        name="Requests"
        value={formatCompact(requests.total)}
        bad={requests.failed > 0}
        line={<Sparkline values={rates(kept, (sample) => sample.requests)} label="Requests per second, lately" />}
      >
        {requests.failed ? `${formatCount(requests.failed)} failed` : "None failed"}
      </Figure>
      <Figure
        name="Tokens"
        value={formatCompact(tokens.input + tokens.output)}
        line={<Sparkline values={rates(kept, (sample) => sample.tokens)} label="Tokens per second, lately" />}
      >
        {`${formatCompact(tokens.input)} in, ${formatCompact(tokens.output)} out`}
      </Figure>
      <Figure
        name="Memory"
        value={<WithUnits text={`${memory} ${memoryUnit}`} />}
        line={<Sparkline values={kept.map((sample) => sample.memory)} label="Memory, lately" />}
      >
        {status.embedded.loaded ? "Embedded model loaded" : "Embedded model not loaded"}
      </Figure>
    </Frame>
  );
}

/** Sets the units of a figure smaller than its digits. */
function WithUnits({ text }: { text: string }) {
  return text.split(" ").map((word, index) => (
    <span
      // biome-ignore lint/suspicious/noArrayIndexKey: the words of one figure
      key={index}
      className={/^\d/.test(word) ? "" : "mr-1.5 ml-0.5 text-base font-medium tracking-normal text-ink-3"}
    >
      {word}
    </span>
  ));
}
