import { queryOptions, useQuery } from "@tanstack/react-query";
import { call } from "@/control/call";
import { keepApiKey, signInWanted } from "@/lib/credentials";
import { queryClient } from "@/lib/queries";

export interface AuthUser {
  id: string;
  name: string;
  email: string | null;
  role: string;
  session_id: string;
  how: "password" | "second_factor" | "sso";
}

export interface AuthState {
  required: boolean;
  has_users: boolean;
  may_make_first: boolean;
  passwords: boolean;
  single_sign_on: string | null;
  user: AuthUser | null;
}

export interface Account {
  has_password: boolean;
  has_second_factor: boolean;
  recovery_codes_left: number;
  has_single_sign_on: boolean;
}

export interface OwnSession {
  id: string;
  created_at: number;
  seen_at: number;
  address: string;
  agent: string;
  is_this_one: boolean;
}

export interface NewFactor {
  secret: string;
  address: string;
  qr_svg: string;
}

interface Step {
  status: "signed_in" | "second_factor" | "signed_out";
  ticket: string | null;
  continue_at?: string;
}

const state = queryOptions({
  queryKey: ["auth", "state"],
  queryFn: ({ signal }) => call<AuthState>("/api/auth/state", { signal }),
});

export const useAuthState = () => useQuery(state);

/** Takes a step of signing in; returns the ticket for a second factor where one is wanted. */
export async function step(path: string, body: unknown): Promise<string | null> {
  const done = await call<Step>(path, { method: "POST", body });
  if (done.status === "second_factor") return done.ticket;
  await entered();
  return null;
}

/** Asks for everything anew: whoever is there now may see other things. */
export async function entered(): Promise<void> {
  signInWanted.set(false);
  await queryClient.invalidateQueries();
}

/** Ends the session, or forgets the key of this tab. */
export async function signOut(): Promise<void> {
  const known = queryClient.getQueryData(state.queryKey);
  if (known?.user) {
    const done = await call<Step>("/api/auth/sign-out", { method: "POST" });
    if (done.continue_at) {
      window.location.assign(done.continue_at);
      return;
    }
  }
  keepApiKey(null);
  queryClient.clear();
  signInWanted.set(true);
}

/** What the single sign-on said when it sent the browser back without letting it in. */
export function problemIn(search: string): string | undefined {
  return new URLSearchParams(search).get("sign_in_problem")?.slice(0, 300) || undefined;
}

/** An SVG as the address of an image: nothing in it can run there. */
export function imageOf(svg: string): string {
  return `data:image/svg+xml;utf8,${encodeURIComponent(svg)}`;
}
