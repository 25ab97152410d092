import { withCode } from "@/components/failure-card";
import { HealthLabel, ProviderMark } from "@/components/health";
import type { Provider } from "@/lib/api";
import { ConnectProvider } from "./connect-provider";
import { SectionHeading } from "./overview-page";

const KINDS: Record<string, string> = {
  embedded: "Inside this server",
  openai: "OpenAI-compatible",
  anthropic: "Anthropic",
  scripted: "Scripted, for tests",
};

const ABOUT_EMBEDDED = "Real, offline and small: for wiring, tests and demos, not for quality.";

export function Providers({ providers, teach }: { providers: Provider[]; teach: boolean }) {
  return (
    <section aria-labelledby="providers">
      <SectionHeading id="providers" title="Providers" />
      <ul className="grid grid-cols-[minmax(0,1fr)] gap-3 sm:grid-cols-2 lg:grid-cols-3">
        {providers.map((provider) => (
          <li key={provider.name} className="flex flex-col rounded-l border border-line bg-sheet p-4 shadow-1">
            <ProviderCard provider={provider} />
          </li>
        ))}
        {teach && (
          <li className="sm:col-span-2">
            <ConnectProvider />
          </li>
        )}
      </ul>
    </section>
  );
}

function ProviderCard({ provider: { name, kind, base_url, models, health } }: { provider: Provider }) {
  const detail = health.detail ?? (kind === "embedded" ? ABOUT_EMBEDDED : undefined);
  return (
    <>
      <div className="flex items-center gap-3">
        <ProviderMark name={name} />
        <div className="min-w-0 flex-1">
          <h3 className="truncate font-semibold">{name}</h3>
          <p className="truncate text-small text-ink-3">{KINDS[kind] ?? kind}</p>
        </div>
        <HealthLabel status={health.status} />
      </div>
      {detail && (
        <p
          className={`mt-3 text-body ${health.status === "down" || health.status === "degraded" ? "text-ink-2" : "text-ink-3"}`}
        >
          {withCode(detail)}
        </p>
      )}
      <p className="mt-auto flex items-baseline justify-between gap-3 pt-3 text-small text-ink-3">
        <span className="truncate font-mono text-[0.6875rem]">{base_url ?? "No network"}</span>
        <span className="shrink-0 tabular">
          {models} {models === 1 ? "model" : "models"}
        </span>
      </p>
    </>
  );
}
