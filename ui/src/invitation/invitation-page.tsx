import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type ReactNode, useEffect, useState } from "react";
import { entered, useAuthState } from "@/account/auth";
import { NewPasswordField, PasswordForm, WorkForm } from "@/account/sign-in-forms";
import { TextField } from "@/components/fields";
import { LogoMark } from "@/components/logo";
import { call, factsOf } from "@/control/call";
import { heldToken, INVITATION_PATH, letGo } from "./holding";

interface Shown {
  email: string;
  role: string;
  organisation: string;
  workspace: string | null;
  has_account: boolean;
}

/** What an invitation is to, and how one takes it. Whoever is here may be nobody yet. */
export default function InvitationPage() {
  const [token] = useState(heldToken);
  const shown = useQuery({
    queryKey: ["invitation", token],
    queryFn: ({ signal }) =>
      call<Shown>("/api/auth/invitation", { method: "POST", body: { token: token ?? "" }, signal }),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
    enabled: token !== null,
  });
  useEffect(() => {
    document.title = "Invitation · Narthex";
  }, []);
  if (token === null) return <Frame title="No invitation">Open the link that you were given as a whole.</Frame>;
  if (shown.isError) return <Frame title="This link lets nobody in">{factsOf(shown.error).message}</Frame>;
  if (shown.isPending) return <Frame title="One moment…">{null}</Frame>;
  const { role, organisation, workspace } = shown.data;
  return (
    <Frame title={`Welcome to ${workspace ?? organisation}`}>
      You are invited{workspace && ` to the workspace ${workspace} of ${organisation}`}, as {role}.
      <Taking token={token} shown={shown.data} />
    </Frame>
  );
}

function Frame({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="flex h-full items-center justify-center overflow-y-auto bg-wall p-6">
      <div className="w-full max-w-[23rem] animate-rise">
        <LogoMark className="size-10 text-ink" />
        <h1 className="mt-6 text-head font-[620] tracking-[-0.022em] [overflow-wrap:anywhere]">{title}</h1>
        <div className="mt-1.5 text-ink-2">{children}</div>
        <p className="mt-6 border-t border-line pt-4 text-small">
          <Link to="/" className="text-accent-text underline underline-offset-2">
            To the dashboard
          </Link>
        </p>
      </div>
    </main>
  );
}

/** Takes an invitation; then the dashboard is open. */
function useTaking(token: string): (chosen: { name?: string; password?: string }) => Promise<void> {
  const navigate = useNavigate();
  return async (chosen) => {
    await call("/api/auth/invitation/accept", { method: "POST", body: { token, ...chosen } });
    letGo();
    // Before all is asked anew: the link is used up.
    await navigate({ to: "/" });
    await entered();
  };
}

function Taking({ token, shown }: { token: string; shown: Shown }) {
  const { data } = useAuthState();
  const take = useTaking(token);
  if (!data) return null;
  const isHere = data.user?.email === shown.email;
  return (
    <div className="mt-6 flex flex-col gap-5">
      {isHere && (
        <WorkForm label="Join" ready work={() => take({})}>
          <p className="text-body text-ink">You are signed in as {data.user?.name}.</p>
        </WorkForm>
      )}
      {!isHere && data.single_sign_on && (
        <a
          href={`/api/auth/oidc/start?return_to=${INVITATION_PATH}`}
          className="flex h-9 items-center justify-center rounded-m border border-line-field bg-sheet font-medium text-ink shadow-1 hover:border-line-strong"
        >
          Sign in with {data.single_sign_on}
        </a>
      )}
      {!isHere && data.passwords && shown.has_account && (
        <>
          <p className="text-body">
            <span className="text-ink [overflow-wrap:anywhere]">{shown.email}</span> has an account here. Sign in with
            it, and join then.
          </p>
          <PasswordForm />
        </>
      )}
      {!isHere && data.passwords && !shown.has_account && <Newcomer email={shown.email} take={take} />}
    </div>
  );
}

interface NewcomerProps {
  email: string;
  take: (chosen: { name: string; password: string }) => Promise<void>;
}

function Newcomer({ email, take }: NewcomerProps) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const ready = name.trim() !== "" && password.length >= 12;
  return (
    <WorkForm label="Come in" ready={ready} work={() => take({ name, password })}>
      <TextField
        label="E-mail address"
        type="email"
        autoComplete="username"
        value={email}
        onChange={() => undefined}
        readOnly
      />
      <TextField label="Your name" autoComplete="name" value={name} onChange={setName} maxLength={200} />
      <NewPasswordField value={password} onChange={setPassword} />
    </WorkForm>
  );
}
