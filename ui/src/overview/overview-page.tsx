import { Link } from "@tanstack/react-router";
import { useEffect } from "react";
import { CopyButton } from "@/components/code-block";
import { FailureCard, withCode } from "@/components/failure-card";
import { HealthLabel } from "@/components/health";
import type { SystemStatus } from "@/lib/api";
import { Failure, unreachable } from "@/lib/failures";
import { formatUptime } from "@/lib/format";
import { useModels, useStatus } from "@/lib/queries";
import { healthOf } from "@/shell/shell";
import { Connect } from "./connect";
import { Figures } from "./figures";
import { Models } from "./models";
import { Providers } from "./providers";

export default function OverviewPage() {
  const status = useStatus();
  const models = useModels();
  useEffect(() => {
    document.title = "Overview · Narthex";
  }, []);
  const error = status.error ?? models.error;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <section aria-label="Overview" tabIndex={0} className="h-full overflow-y-auto focus-visible:-outline-offset-2">
      <div className="mx-auto flex max-w-[66rem] flex-col gap-10 px-4 pt-8 pb-16 sm:px-8 sm:pt-10">
        <Heading status={status.data} failed={status.isError} />
        {error && <FailureCard facts={(error instanceof Failure ? error : unreachable()).facts} />}
        {status.data && <Figures status={status.data} at={status.dataUpdatedAt} />}
        {status.data && <Providers providers={status.data.providers} teach={onlyLocal(status.data)} />}
        {models.data && <Models models={models.data} />}
        {status.data && <Connect status={status.data} />}
        {status.data && <Facts status={status.data} />}
      </div>
    </section>
  );
}

function onlyLocal(status: SystemStatus): boolean {
  return status.providers.every((provider) => provider.name === "local" || provider.kind === "scripted");
}

function Heading({ status, failed }: { status: SystemStatus | undefined; failed: boolean }) {
  return (
    <header>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-1">
        <h1 className="text-head font-[620] tracking-[-0.022em]">Overview</h1>
        <HealthLabel status={healthOf(status, failed)} />
      </div>
      {status && (
        <p className="mt-1 flex flex-wrap items-center gap-x-1.5 text-ink-2">
          Serving at <code className="text-body text-ink">{status.address}</code>
          <CopyButton text={status.address} />
        </p>
      )}
    </header>
  );
}

export function SectionHeading({ id, title, children }: { id?: string; title: string; children?: React.ReactNode }) {
  return (
    <div className="mb-3.5 flex min-h-8.5 flex-wrap items-center justify-between gap-x-6 gap-y-2">
      <h2 id={id} className="text-title font-semibold tracking-[-0.012em]">
        {title}
      </h2>
      {children}
    </div>
  );
}

function Facts({ status }: { status: SystemStatus }) {
  const facts = [
    ["Version", status.version],
    ["Started", `${formatUptime(status.uptime_s)} ago`],
    ["Process", String(status.pid)],
    ["Python", status.python],
    ["System", status.platform],
    ["Data folder", status.data_dir],
    ["Default model", status.default_model],
  ] as const;
  return (
    <section aria-labelledby="server" className="border-t border-line pt-6">
      <h2 id="server" className="sr-only">
        Server
      </h2>
      <dl className="flex flex-wrap gap-x-8 gap-y-3 text-small">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt className="text-ink-3">{name}</dt>
            <dd className="mt-0.5 font-mono text-ink-2 [overflow-wrap:anywhere]">{value}</dd>
          </div>
        ))}
      </dl>
      <p className="mt-5 text-small text-ink-3">
        {withCode("Something looks wrong? `narthex doctor` checks the whole set-up and says how to mend it.")}{" "}
        <Link to="/" className="text-accent-text underline underline-offset-2">
          To the playground
        </Link>
      </p>
    </section>
  );
}
