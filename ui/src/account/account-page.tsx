import { queryOptions, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Button } from "@/components/button";
import { TextField } from "@/components/fields";
import { Page } from "@/components/page";
import { call } from "@/control/call";
import { queryClient } from "@/lib/queries";
import { type Account, imageOf, type NewFactor, type OwnSession, signOut, step, useAuthState } from "./auth";
import { FirstForm, WorkForm } from "./sign-in-forms";

const account = queryOptions({
  queryKey: ["auth", "account"],
  queryFn: ({ signal }) => call<Account>("/api/auth/account", { signal }),
});

const sessions = queryOptions({
  queryKey: ["auth", "sessions"],
  queryFn: ({ signal }) => call<{ data: OwnSession[] }>("/api/auth/sessions", { signal }),
});

const again = () => queryClient.invalidateQueries({ queryKey: ["auth"] });

export default function AccountPage() {
  const { data } = useAuthState();
  if (!data) return <Page title="My account">{null}</Page>;
  if (!data.user) return <Nobody mayMakeFirst={data.may_make_first} />;
  return (
    <Page
      title="My account"
      lead={`${data.user.name}, ${data.user.email ?? data.user.id}: ${data.user.role}`}
      actions={<Button onClick={() => void signOut()}>Sign out</Button>}
    >
      <Own />
      <Sessions />
    </Page>
  );
}

function Nobody({ mayMakeFirst }: { mayMakeFirst: boolean }) {
  return (
    <Page title="My account" lead="Nobody is signed in at this browser.">
      {mayMakeFirst && (
        <Part
          title="Make the first user"
          lead="They own this server. From then on nobody gets in without signing in or a key."
        >
          <FirstForm />
        </Part>
      )}
    </Page>
  );
}

function Part({ title, lead, children }: { title: string; lead?: string; children: ReactNode }) {
  return (
    <section className="max-w-[30rem]">
      <h2 className="text-title font-semibold">{title}</h2>
      {lead && <p className="mt-1 mb-4 text-ink-2">{lead}</p>}
      {children}
    </section>
  );
}

function Own() {
  const { data } = useQuery(account);
  if (!data) return null;
  if (!data.has_password) {
    return (
      <Part title="Password" lead="You sign in with the single sign-on, which sees to password and second factor.">
        {null}
      </Part>
    );
  }
  return (
    <>
      <PasswordPart />
      {data.has_second_factor ? <FactorSet left={data.recovery_codes_left} /> : <FactorUnset />}
    </>
  );
}

function PasswordPart() {
  const [current, setCurrent] = useState("");
  const [fresh, setFresh] = useState("");
  const work = async () => {
    await step("/api/auth/account/password", { current_password: current, new_password: fresh });
    setCurrent("");
    setFresh("");
  };
  return (
    <Part title="Password" lead="All your other sessions end when you change it.">
      <WorkForm label="Change the password" ready={current !== "" && fresh.length >= 12} work={work}>
        <TextField
          label="Current password"
          type="password"
          autoComplete="current-password"
          value={current}
          onChange={setCurrent}
        />
        <TextField
          label="New password"
          note="At least 12 characters."
          type="password"
          autoComplete="new-password"
          value={fresh}
          onChange={setFresh}
        />
      </WorkForm>
    </Part>
  );
}

function FactorUnset() {
  const [made, setMade] = useState<NewFactor>();
  const [code, setCode] = useState("");
  const [codes, setCodes] = useState<string[]>();
  const [password, setPassword] = useState("");
  const begin = async () => {
    const path = "/api/auth/account/second-factor";
    setMade(await call<NewFactor>(path, { method: "POST", body: { password } }));
    setPassword("");
  };
  const confirm = async () => {
    const path = "/api/auth/account/second-factor/confirm";
    setCodes((await call<{ codes: string[] }>(path, { method: "POST", body: { code } })).codes);
  };
  if (codes) return <Codes codes={codes} onDone={() => void again()} />;
  return (
    <Part title="Second factor" lead="A code of an authenticator, asked for beside the password.">
      {made ? (
        <WorkForm label="Confirm" ready={code.trim() !== ""} work={confirm}>
          <img src={imageOf(made.qr_svg)} alt="QR code for an authenticator" className="size-48 rounded-m bg-white" />
          <p className="font-mono text-small break-all text-ink-2">{made.secret}</p>
          <TextField label="Code" autoComplete="one-time-code" mono value={code} onChange={setCode} />
        </WorkForm>
      ) : (
        <WorkForm label="Set up an authenticator" ready={password !== ""} work={begin}>
          <TextField
            label="Password, once more"
            type="password"
            autoComplete="current-password"
            value={password}
            onChange={setPassword}
          />
        </WorkForm>
      )}
    </Part>
  );
}

function FactorSet({ left }: { left: number }) {
  const [password, setPassword] = useState("");
  const [codes, setCodes] = useState<string[]>();
  const remove = async () => {
    await call("/api/auth/account/second-factor/remove", { method: "POST", body: { password } });
    await again();
  };
  const renew = async () => {
    const path = "/api/auth/account/recovery-codes";
    setCodes((await call<{ codes: string[] }>(path, { method: "POST", body: { password } })).codes);
  };
  if (codes) return <Codes codes={codes} onDone={() => setCodes(undefined)} />;
  return (
    <Part title="Second factor" lead={`It is set up; ${left} recovery codes are left.`}>
      <div className="flex flex-col gap-4">
        <TextField
          label="Password, once more"
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={setPassword}
        />
        <WorkForm label="Make new recovery codes" ready={password !== ""} work={renew}>
          {null}
        </WorkForm>
        <WorkForm label="Remove the second factor" ready={password !== ""} work={remove}>
          {null}
        </WorkForm>
      </div>
    </Part>
  );
}

function Codes({ codes, onDone }: { codes: string[]; onDone: () => void }) {
  return (
    <Part title="Recovery codes" lead="Shown this once. Each lets you in once without your authenticator; keep them.">
      <ul aria-label="Recovery codes" className="mb-4 grid grid-cols-2 gap-1 font-mono text-body">
        {codes.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
      <Button onClick={onDone}>I have kept them</Button>
    </Part>
  );
}

function Sessions() {
  const { data } = useQuery(sessions);
  const end = async (id: string) => {
    await call(`/api/auth/sessions/${id}`, { method: "DELETE" });
    await again();
  };
  return (
    <Part title="Sessions" lead="Where you are signed in.">
      <ul aria-label="Sessions" className="flex flex-col gap-2">
        {data?.data.map((one) => (
          <li key={one.id} className="flex items-center gap-3 rounded-m border border-line px-3 py-2">
            <span className="min-w-0 flex-1">
              <span className="block truncate">{one.agent || "A browser"}</span>
              <span className="block text-small text-ink-3">
                {one.address}, last used {new Date(one.seen_at * 1000).toLocaleString()}
              </span>
            </span>
            {one.is_this_one ? (
              <span className="text-small text-ink-3">this one</span>
            ) : (
              <Button size="s" onClick={() => void end(one.id)}>
                End
              </Button>
            )}
          </li>
        ))}
      </ul>
    </Part>
  );
}
