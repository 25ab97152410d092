import { CodeText, CopyButton } from "@/components/code-block";
import { withCode } from "@/components/failure-card";

const COMMANDS = `# or ANTHROPIC_API_KEY, GEMINI_API_KEY, MISTRAL_API_KEY, GROQ_API_KEY, …
export OPENAI_API_KEY="…"
narthex serve`;

/** What to do while there is nothing but the embedded model. */
export function ConnectProvider() {
  return (
    <section
      aria-labelledby="bring"
      className="flex h-full flex-col overflow-hidden rounded-l border border-accent-line bg-accent-soft"
    >
      <div className="p-4 pb-3">
        <h3 id="bring" className="font-semibold">
          Bring a provider
        </h3>
        <p className="mt-1 text-body text-ink-2">
          Put a provider’s key into the environment and start again: its models are found by themselves. An Ollama on
          this machine needs no key. {withCode("`narthex doctor` says what is missing.")}
        </p>
      </div>
      <div className="relative mt-auto border-t border-accent-line">
        <CodeText code={COMMANDS} language="shell" label="Commands to add a provider" />
        <div className="absolute top-1.5 right-1.5">
          <CopyButton text={COMMANDS} />
        </div>
      </div>
    </section>
  );
}
