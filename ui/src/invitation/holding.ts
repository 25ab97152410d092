import { sessionStore } from "@/lib/browser-storage";

/** The page that takes an invitation; its token stands behind `#`, which no browser sends anywhere. */
export const INVITATION_PATH = "/invitation";

const STORAGE_KEY = "narthex.invitation";

/** Takes the token out of the address, and holds it in this tab: the way over a single sign-on would lose it. */
export function heldToken(): string | null {
  const token = window.location.hash.slice(1);
  if (token === "") return sessionStore.read(STORAGE_KEY);
  sessionStore.write(STORAGE_KEY, token);
  window.history.replaceState(window.history.state, "", INVITATION_PATH);
  return token;
}

export function letGo(): void {
  sessionStore.write(STORAGE_KEY, null);
}
