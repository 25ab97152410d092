import { useNavigate, useSearch } from "@tanstack/react-router";
import { Check, Copy, Search } from "lucide-react";
import { useDeferredValue, useMemo } from "react";
import { IconButton } from "@/components/button";
import { matches } from "@/components/finder";
import { HealthDot } from "@/components/health";
import type { Model } from "@/lib/api";
import { useCopy } from "@/lib/clipboard";
import { formatCount, formatWindow } from "@/lib/format";
import { session } from "@/playground/session";
import { SectionHeading } from "./overview-page";

const SHOWN_AT_MOST = 200;

/** In the order they are shown. That a chat model streams goes without saying here. */
const CAPABILITY_NAMES: Record<string, string> = {
  chat: "Chat",
  embeddings: "Embeddings",
  tools: "Tools",
  json_schema: "JSON schema",
  vision: "Vision",
  audio: "Audio",
  files: "Files",
  reasoning: "Reasoning",
  logprobs: "Logprobs",
};

function capabilityNames({ capabilities }: Model): string[] {
  const known = Object.keys(CAPABILITY_NAMES).filter((word) => capabilities.includes(word));
  const others = capabilities.filter((word) => !(word in CAPABILITY_NAMES) && word !== "streaming").sort();
  return [...known.map((word) => CAPABILITY_NAMES[word] ?? word), ...others];
}

export function Models({ models }: { models: Model[] }) {
  const { q = "" } = useSearch({ from: "/overview" });
  const query = useDeferredValue(q);
  const found = useMemo(() => models.filter((model) => matches(query, wordsOf(model))), [models, query]);
  return (
    <section aria-labelledby="models">
      <SectionHeading id="models" title="Models">
        <SearchField query={q} count={q ? `${found.length} of ${models.length}` : String(models.length)} />
      </SectionHeading>
      {found.length === 0 ? (
        <p className="rounded-l border border-dashed border-line-strong px-4 py-10 text-center text-ink-3">
          {q ? `No model matches “${q}”.` : "No models yet."}
        </p>
      ) : (
        <div className="overflow-hidden rounded-l border border-line bg-sheet shadow-1">
          <ModelTable models={found.slice(0, SHOWN_AT_MOST)} />
          {found.length > SHOWN_AT_MOST && (
            <p className="border-t border-line px-4 py-2.5 text-small text-ink-3">
              {formatCount(found.length - SHOWN_AT_MOST)} more; search to narrow them down.
            </p>
          )}
        </div>
      )}
    </section>
  );
}

function wordsOf(model: Model): string {
  const { name, aliases, capabilities, description } = model;
  return [name, ...aliases, ...capabilities, ...capabilityNames(model), description ?? ""].join(" ");
}

function SearchField({ query, count }: { query: string; count: string }) {
  const navigate = useNavigate({ from: "/overview" });
  const onChange = (text: string) =>
    void navigate({ search: text ? { q: text } : {}, replace: true, resetScroll: false });
  return (
    <div className="field flex h-8.5 items-center gap-2 px-2.5 max-sm:w-full sm:w-72">
      <Search className="size-3.5 shrink-0 text-ink-3" aria-hidden="true" />
      <input
        type="search"
        data-main-field
        aria-label="Search models"
        placeholder="Name, alias or capability"
        value={query}
        onChange={(event) => onChange(event.target.value)}
        onKeyDown={(event) => event.key === "Escape" && onChange("")}
        className="min-w-0 flex-1 bg-transparent text-body max-sm:text-[1rem] [&::-webkit-search-cancel-button]:hidden"
      />
      <span className="text-small whitespace-nowrap text-ink-3 tabular">{count}</span>
    </div>
  );
}

function ModelTable({ models }: { models: Model[] }) {
  return (
    <table className="w-full text-left text-body">
      <thead className="text-small text-ink-3 max-md:sr-only">
        <tr className="border-b border-line [&>th]:py-2.5 [&>th]:font-medium">
          <th scope="col" className="pl-5">
            Model
          </th>
          <th scope="col">Capabilities</th>
          <th scope="col" className="pr-4 text-right">
            Window
          </th>
          <th scope="col" className="pr-4 text-right">
            Output
          </th>
          <th scope="col">
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {models.map((model) => (
          <ModelRow key={model.name} model={model} />
        ))}
      </tbody>
    </table>
  );
}

function ModelRow({ model }: { model: Model }) {
  return (
    <tr className="group border-b border-line transition-colors last:border-0 hover:bg-hover max-md:flex max-md:flex-wrap max-md:items-center max-md:gap-x-3 max-md:gap-y-2 max-md:px-4 max-md:py-3.5">
      <th
        scope="row"
        className="py-3 pr-4 pl-5 align-top font-normal max-md:order-1 max-md:min-w-0 max-md:flex-1 max-md:p-0"
      >
        <ModelName model={model} />
      </th>
      <td className="py-3 pr-4 align-top max-md:order-3 max-md:w-full max-md:p-0">
        <ul className="flex flex-wrap gap-1.5 md:-mt-px">
          {capabilityNames(model).map((name) => (
            <li
              key={name}
              className="rounded-s border border-line bg-floor px-1.5 py-px text-small whitespace-nowrap text-ink-2"
            >
              {name}
            </li>
          ))}
        </ul>
      </td>
      <td className="py-3 pr-4 text-right align-top tabular max-md:hidden">{windowOf(model)}</td>
      <td className="py-3 pr-4 text-right align-top text-ink-2 tabular max-md:hidden">{outputOf(model)}</td>
      <td className="py-2 pr-3 align-top max-md:order-2 max-md:p-0">
        <RowActions model={model} />
      </td>
    </tr>
  );
}

function ModelName({ model }: { model: Model }) {
  return (
    <>
      <span className="flex items-center gap-2.5">
        <HealthDot status={model.health.status} />
        <span className="min-w-0 font-mono [overflow-wrap:anywhere]">
          <span className="text-ink-3">{model.provider}/</span>
          <span className="font-medium">{model.name.slice(model.provider.length + 1)}</span>
        </span>
      </span>
      {(model.aliases.length > 0 || model.description) && (
        <span className="mt-1 block pl-4.5 text-small text-ink-3">
          {model.aliases.length > 0 && <span className="text-ink-2">also {model.aliases.join(", ")}</span>}
          {model.aliases.length > 0 && model.description && ". "}
          {model.description}
        </span>
      )}
      {model.context_tokens !== null && (
        <span className="mt-1 block pl-4.5 text-small text-ink-3 tabular md:hidden">
          {formatWindow(model.context_tokens)} window
        </span>
      )}
    </>
  );
}

function windowOf({ context_tokens: tokens }: Model) {
  return tokens === null ? (
    <span className="text-ink-3">unknown</span>
  ) : (
    <span title={`${formatCount(tokens)} tokens`}>{formatWindow(tokens)}</span>
  );
}

function outputOf({ max_output_tokens: tokens, dimensions }: Model): string {
  if (dimensions !== null) return `${formatCount(dimensions)} dim`;
  return tokens === null ? "" : formatWindow(tokens);
}

function RowActions({ model }: { model: Model }) {
  const { state, copy } = useCopy();
  const navigate = useNavigate();
  const onTry = () => {
    session.chooseModel(model.name);
    void navigate({ to: "/" });
  };
  return (
    <span className="flex items-center justify-end gap-0.5">
      {model.capabilities.includes("chat") && (
        <button
          type="button"
          onClick={onTry}
          aria-label={`Try ${model.name}`}
          className="h-7 rounded-m px-2 text-small font-medium text-accent-text transition-colors hover:bg-hover"
        >
          Try
        </button>
      )}
      <IconButton
        label={state === "copied" ? "Copied" : `Copy ${model.name}`}
        onClick={() => copy(model.name)}
        className="size-7"
      >
        {state === "copied" ? <Check aria-hidden="true" /> : <Copy aria-hidden="true" />}
      </IconButton>
    </span>
  );
}
