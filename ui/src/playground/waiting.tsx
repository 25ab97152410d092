import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type Embedded, fetchStatus } from "@/lib/api";

const ASK_AFTER_MS = 350;
const ASK_EVERY_MS = 500;

/** What is shown between the prompt and the first token; says how far a local model is loaded. */
export function Waiting({ model }: { model: string }) {
  const embedded = useLoading();
  const loading = embedded && !embedded.loaded && model.startsWith("local/");
  return (
    <div role="status" className="flex min-h-7 flex-col justify-center">
      {loading ? <Loading embedded={embedded} /> : <Dots />}
    </div>
  );
}

function useLoading(): Embedded | undefined {
  const [asking, setAsking] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setAsking(true), ASK_AFTER_MS);
    return () => clearTimeout(timer);
  }, []);
  const { data } = useQuery({
    queryKey: ["status", "loading"],
    queryFn: ({ signal }) => fetchStatus(signal),
    enabled: asking,
    refetchInterval: ASK_EVERY_MS,
    gcTime: 0,
  });
  return data?.embedded;
}

function Dots() {
  return (
    <span className="flex items-end gap-1">
      <span className="sr-only">Waiting for the first token</span>
      {["[animation-delay:0ms]", "[animation-delay:180ms]", "[animation-delay:360ms]"].map((delay) => (
        <span key={delay} className={`arch h-3 w-2 animate-breathe bg-accent ${delay}`} />
      ))}
    </span>
  );
}

function Loading({ embedded: { progress, detail, model } }: { embedded: Embedded }) {
  const percent = progress === null ? undefined : Math.round(progress * 100);
  return (
    <div className="max-w-80">
      <p className="flex justify-between gap-4 text-body text-ink-2">
        <span>Loading {model ?? "the model"} into memory</span>
        {percent !== undefined && <span className="tabular">{percent} %</span>}
      </p>
      <div
        role="progressbar"
        aria-label="Loading the model"
        aria-valuemin={0}
        aria-valuemax={100}
        {...(percent === undefined ? {} : { "aria-valuenow": percent })}
        className="mt-2 h-1 overflow-hidden rounded-full bg-press"
      >
        <div
          ref={(element) => element?.style.setProperty("width", `${percent ?? 35}%`)}
          className={`h-full rounded-full bg-accent transition-[width] duration-500 ${percent === undefined ? "animate-breathe" : ""}`}
        />
      </div>
      {detail && <p className="mt-1.5 text-small text-ink-3">{detail}</p>}
    </div>
  );
}
