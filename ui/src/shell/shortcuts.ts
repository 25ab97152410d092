import { useEffect } from "react";
import { modHeld } from "@/components/keys";
import { session } from "@/playground/session";
import { paletteOpen } from "./overlays";

/** The page's main field carries this attribute; `/` goes there. */
export const MAIN_FIELD = "[data-main-field]";

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

/** Whether something lies over the page and has its own use for Escape. */
function isCovered(): boolean {
  return document.querySelector('[role="dialog"], [data-open][role="listbox"]') !== null;
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented) return;
  if (modHeld(event) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    paletteOpen.set(!paletteOpen.get());
  } else if (event.key === "Escape" && !isCovered()) {
    session.stop();
  } else if (event.key === "/" && !isTyping(event.target) && !isCovered()) {
    const field = document.querySelector<HTMLElement>(MAIN_FIELD);
    if (!field) return;
    event.preventDefault();
    field.focus();
  }
}

export function useShortcuts(): void {
  useEffect(() => {
    window.addEventListener("keydown", onKeyDown);
    return () => window.removeEventListener("keydown", onKeyDown);
  }, []);
}
