import { useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { problemIn, useAuthState } from "@/account/auth";
import { PasswordForm } from "@/account/sign-in-forms";
import { Button } from "@/components/button";
import { withCode } from "@/components/failure-card";
import { LogoMark } from "@/components/logo";
import { apiKey, keepApiKey, signInWanted } from "@/lib/credentials";
import { useStore } from "@/lib/external-store";
import { Failure, failureOf, unreachable } from "@/lib/failures";

/** Lets people in: by password or single sign-on where there are users, and by key in any case. */
export default function SignIn() {
  const { data } = useAuthState();
  const [byKey, setByKey] = useState(false);
  const people = data?.has_users || data?.single_sign_on;
  if (!people || byKey) return <KeySignIn onBack={people ? () => setByKey(false) : undefined} />;
  return (
    <main className="flex h-full items-center justify-center overflow-y-auto bg-wall p-6">
      <div className="w-full max-w-[23rem] animate-rise">
        <LogoMark className="size-10 text-ink" />
        <h1 className="mt-6 mb-6 text-head font-[620] tracking-[-0.022em]">Sign in to Narthex</h1>
        <p role="alert" className="mb-4 text-small text-bad-text empty:hidden">
          {problemIn(window.location.search)}
        </p>
        {data?.single_sign_on && (
          <a
            href={`/api/auth/oidc/start?return_to=${encodeURIComponent(window.location.pathname)}`}
            className="mb-5 flex h-9 items-center justify-center rounded-m border border-line-field bg-sheet font-medium shadow-1 hover:border-line-strong"
          >
            Sign in with {data.single_sign_on}
          </a>
        )}
        {data?.passwords && <PasswordForm />}
        <Button look="ghost" className="mt-6 w-full" onClick={() => setByKey(true)}>
          Use an API key
        </Button>
      </div>
    </main>
  );
}

/** Asks for a key, tries it, and keeps it only if the server takes it. */
function KeySignIn({ onBack }: { onBack: (() => void) | undefined }) {
  const [value, setValue] = useState("");
  const [problem, setProblem] = useState<string>();
  const [trying, setTrying] = useState(false);
  const queryClient = useQueryClient();
  const refused = useStore(apiKey) !== null;
  const id = useId();

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setTrying(true);
    const found = await problemWith(value.trim());
    setTrying(false);
    setProblem(found);
    if (found) return;
    keepApiKey(value.trim());
    await queryClient.invalidateQueries();
  };

  return (
    <main className="flex h-full items-center justify-center bg-wall p-6">
      <form onSubmit={submit} className="w-full max-w-[23rem] animate-rise">
        <LogoMark className="size-10 text-ink" />
        <h1 className="mt-6 text-head font-[620] tracking-[-0.022em]">Sign in to Narthex</h1>
        <p className="mt-1.5 text-ink-2">This server lets in whoever holds one of its API keys.</p>
        <label htmlFor={id} className="mt-7 block text-body font-medium">
          API key
        </label>
        <div className="field mt-1.5" data-invalid={problem || undefined}>
          <input
            id={id}
            type="password"
            autoComplete="off"
            // biome-ignore lint/a11y/noAutofocus: there is nothing else on this page
            autoFocus
            value={value}
            onChange={(event) => setValue(event.target.value)}
            aria-invalid={problem !== undefined}
            aria-describedby={`${id}-note`}
            className="h-10 w-full bg-transparent px-3 font-mono text-body max-sm:text-[1rem]"
          />
        </div>
        <p id={`${id}-note`} className="mt-1.5 text-small text-ink-3" aria-live="polite">
          {problem ? (
            <span className="text-bad-text">{problem}</span>
          ) : refused ? (
            "The key of this tab is no longer accepted."
          ) : (
            "Kept in this tab only, and forgotten when it closes."
          )}
        </p>
        <Button type="submit" look="primary" disabled={trying || value.trim() === ""} className="mt-5 w-full">
          {trying ? "Trying the key…" : "Sign in"}
        </Button>
        <p className="mt-6 border-t border-line pt-4 text-small text-ink-3">
          {onBack && (
            <button type="button" onClick={onBack} className="mb-2 block text-accent-text underline">
              Sign in as a person
            </button>
          )}
          {withCode("Keys are set under `keys` in `narthex.toml`, by whoever runs this server.")}
        </p>
      </form>
    </main>
  );
}

async function problemWith(key: string): Promise<string | undefined> {
  try {
    const response = await fetch("/api/system/status", { headers: { authorization: `Bearer ${key}` } });
    if (response.ok) return undefined;
    const failure = await failureOf(response);
    signInWanted.set(true);
    return response.status === 401 ? "The server does not know this key." : failure.facts.message;
  } catch (error) {
    return error instanceof Failure ? error.facts.message : unreachable().facts.message;
  }
}
