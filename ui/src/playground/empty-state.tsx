import { Link } from "@tanstack/react-router";
import { ArrowUpRight } from "lucide-react";
import { Enfilade } from "@/components/logo";
import type { Model } from "@/lib/api";
import { session } from "./session";

/** Short ones that even a very small model can do something with. */
const EXAMPLES = [
  { title: "Explain", prompt: "What is a narthex in a church? Answer in two sentences." },
  { title: "Advise", prompt: "Give me three tips for clear writing." },
  { title: "List", prompt: "List five questions to ask before choosing a database, one line each." },
];

/** What stands here before the first prompt. */
export function EmptyState({ model }: { model: Model | undefined }) {
  return (
    <div className="mx-auto flex min-h-full w-full max-w-[44rem] flex-col items-center justify-center px-4 py-8 text-center sm:px-6">
      <Enfilade className="w-[17.5rem] max-sm:w-[11rem]" />
      <h1 className="mt-3 text-display font-[620] tracking-[-0.03em] text-balance max-sm:text-head">
        One door to every model
      </h1>
      <p className="mt-2 max-w-[30rem] text-read text-pretty text-ink-2">
        Ask below and watch the answer arrive, with its timing and its tokens. Then take the request with you as code.
      </p>
      <ul className="mt-8 grid w-full gap-2.5 text-left sm:grid-cols-3">
        {EXAMPLES.map(({ title, prompt }) => (
          <li key={title}>
            <Example title={title} prompt={prompt} model={model?.name} />
          </li>
        ))}
      </ul>
      {model?.provider === "local" && <LocalNote name={model.name} />}
    </div>
  );
}

function Example({ title, prompt, model }: { title: string; prompt: string; model: string | undefined }) {
  return (
    <button
      type="button"
      disabled={!model}
      onClick={() => model && void session.send(prompt, model)}
      className="group flex h-full w-full flex-col rounded-l border border-line bg-sheet px-4 py-3.5 text-left shadow-1 transition-all hover:border-line-strong hover:shadow-2"
    >
      <span className="flex w-full items-center justify-between text-small font-medium text-accent-text">
        {title}
        <ArrowUpRight className="size-3.5 opacity-0 transition-opacity group-hover:opacity-100" aria-hidden="true" />
      </span>
      <span className="mt-1 block text-body text-ink-2">{prompt}</span>
    </button>
  );
}

function LocalNote({ name }: { name: string }) {
  return (
    <p className="mt-7 max-w-[34rem] text-small text-pretty text-ink-3">
      <code className="text-ink-2">{name}</code> is a small model that runs inside this server, offline and without a
      key. It is here for wiring, tests and demos, not for quality.{" "}
      <Link to="/overview" hash="connect" className="text-accent-text underline underline-offset-2 hover:decoration-2">
        Connect a provider
      </Link>
    </p>
  );
}
