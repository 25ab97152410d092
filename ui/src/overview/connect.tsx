import { CodeBlock } from "@/components/code-block";
import { withCode } from "@/components/failure-card";
import { Tabs } from "@/components/tabs";
import type { SystemStatus } from "@/lib/api";
import { connectSnippets } from "@/lib/connect-snippets";
import { SectionHeading } from "./overview-page";

/** How a program that exists already comes through this door. */
export function Connect({ status }: { status: SystemStatus }) {
  const snippets = connectSnippets(location.origin, status.default_model, status.auth_required);
  return (
    <section aria-labelledby="connect">
      <SectionHeading id="connect" title="Connect your application" />
      <div className="grid grid-cols-[minmax(0,1fr)] gap-x-10 gap-y-5 lg:grid-cols-[17rem_minmax(0,1fr)]">
        <div>
          <p className="text-ink-2">
            Keep your SDK and change one thing: the base URL. Every model above is then a model name away.
          </p>
          <p className="mt-4 text-small text-ink-3">
            {status.auth_required
              ? withCode("This server asks for a key: send it as `Authorization: Bearer …` or `x-api-key`.")
              : "This server asks for no key, since it listens to this machine only. SDKs want one nevertheless: any word will do."}
          </p>
        </div>
        <Tabs
          label="SDK"
          tabs={snippets.map(({ value, name, title, language, code }) => ({
            value,
            name,
            content: <CodeBlock code={code} language={language} title={title} />,
          }))}
        />
      </div>
    </section>
  );
}
