import { sessionStore } from "./browser-storage";
import { ExternalStore } from "./external-store";

const STORAGE_KEY = "narthex.key";

/** The API key of this tab. It is kept in the tab's session only, and ends with it. */
export const apiKey = new ExternalStore<string | null>(sessionStore.read(STORAGE_KEY));

/** Whether the server has refused a call for want of a valid key. */
export const signInWanted = new ExternalStore(false);

export function keepApiKey(key: string | null): void {
  sessionStore.write(STORAGE_KEY, key);
  apiKey.set(key);
  signInWanted.set(false);
}

/** What goes with every call: the key, or what no page of another site can send along with our session. */
export function authHeaders(): Record<string, string> {
  const key = apiKey.get();
  return key ? { authorization: `Bearer ${key}` } : { "x-narthex-csrf": "1" };
}
