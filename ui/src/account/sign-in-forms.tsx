import { type FormEvent, type ReactNode, useState } from "react";
import { Button } from "@/components/button";
import { TextField } from "@/components/fields";
import { factsOf } from "@/control/call";
import { step } from "./auth";

interface FormProps {
  label: string;
  ready: boolean;
  work: () => Promise<void>;
  children: ReactNode;
}

/** A form that does one thing, and says why it could not. */
export function WorkForm({ label, ready, work, children }: FormProps) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setProblem(undefined);
    await work().catch((error: unknown) => setProblem(factsOf(error).message));
    setBusy(false);
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      {children}
      <p role="alert" className="text-small text-bad-text empty:hidden">
        {problem}
      </p>
      <Button type="submit" look="primary" disabled={busy || !ready}>
        {label}
      </Button>
    </form>
  );
}

/** Asks for e-mail address and password, then for a code where one is wanted. */
export function PasswordForm() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [ticket, setTicket] = useState<string | null>(null);
  if (ticket) return <CodeForm ticket={ticket} />;
  const work = async () => setTicket(await step("/api/auth/password", { email, password }));
  return (
    <WorkForm label="Sign in" ready={email !== "" && password !== ""} work={work}>
      <TextField label="E-mail address" type="email" autoComplete="username" value={email} onChange={setEmail} />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        value={password}
        onChange={setPassword}
      />
    </WorkForm>
  );
}

function CodeForm({ ticket }: { ticket: string }) {
  const [code, setCode] = useState("");
  const work = async () => {
    await step("/api/auth/second-factor", { ticket, code });
  };
  return (
    <WorkForm label="Go on" ready={code.trim() !== ""} work={work}>
      <TextField
        label="Code"
        note="Six digits of your authenticator, or a recovery code."
        autoComplete="one-time-code"
        mono
        autoFocus
        value={code}
        onChange={setCode}
      />
    </WorkForm>
  );
}

interface NewPasswordFieldProps {
  value: string;
  onChange: (value: string) => void;
}

/** Where somebody chooses the password of an account that is made. */
export function NewPasswordField({ value, onChange }: NewPasswordFieldProps) {
  return (
    <TextField
      label="Password"
      note="At least 12 characters; a few words in a row make a good one."
      type="password"
      autoComplete="new-password"
      value={value}
      onChange={onChange}
    />
  );
}

/** Makes the first user, who owns the server. */
export function FirstForm() {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const work = async () => {
    await step("/api/auth/first", { name, email, password });
  };
  return (
    <WorkForm label="Make the first user" ready={name !== "" && email !== "" && password.length >= 12} work={work}>
      <TextField label="Name" autoComplete="name" value={name} onChange={setName} />
      <TextField label="E-mail address" type="email" autoComplete="username" value={email} onChange={setEmail} />
      <NewPasswordField value={password} onChange={setPassword} />
    </WorkForm>
  );
}
