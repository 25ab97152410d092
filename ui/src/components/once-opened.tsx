import { type ReactNode, Suspense, useRef } from "react";

/** Draws its children from the first opening on, so that closing can be animated and nothing is loaded before. */
export function OnceOpened({ open, children }: { open: boolean; children: ReactNode }) {
  const opened = useRef(false);
  opened.current ||= open;
  return opened.current && <Suspense fallback={null}>{children}</Suspense>;
}
