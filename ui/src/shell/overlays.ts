import { ExternalStore } from "@/lib/external-store";

/** What may lie over the page. Each is loaded when it is opened for the first time. */
export const paletteOpen = new ExternalStore(false);
export const codeOpen = new ExternalStore(false);
