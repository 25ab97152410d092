import { localStore } from "./browser-storage";
import { ExternalStore } from "./external-store";

export type Theme = "system" | "light" | "dark";

const STORAGE_KEY = "narthex.theme";

function stored(): Theme {
  const value = localStore.read(STORAGE_KEY);
  return value === "light" || value === "dark" ? value : "system";
}

/** The chosen theme; `build/early-theme.ts` reads the same key before the first paint. */
export const theme = new ExternalStore<Theme>(stored());

export function chooseTheme(next: Theme): void {
  localStore.write(STORAGE_KEY, next === "system" ? null : next);
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  theme.set(next);
}
