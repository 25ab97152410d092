import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { Keys } from "./keys";

const DELAY_MS = 400;
/** For the way of the pointer from the thing to its hint. */
const GRACE_MS = 120;
const GAP = 6;
const MARGIN = 8;
const HINTED = "[data-hint]";
const POPUP = "[data-hint-popup]";

/** Says the `data-hint` of whatever the pointer rests upon or the keyboard is at, and its `data-hint-keys`. */
export function HintLayer() {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  useEffect(() => listen(setAnchor), []);
  return anchor && createPortal(<Popup anchor={anchor} />, document.body);
}

function Popup({ anchor }: { anchor: HTMLElement }) {
  const popup = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => place(popup.current, anchor), [anchor]);
  const keys = anchor.dataset.hintKeys;
  return (
    <div
      ref={popup}
      data-hint-popup=""
      aria-hidden="true"
      className="fixed top-0 left-0 z-50 flex animate-appear items-center gap-2 rounded-m bg-ink px-2 py-1 text-small font-medium text-floor shadow-2"
    >
      {anchor.dataset.hint}
      {keys && <Keys keys={keys.split(" ")} inverse />}
    </div>
  );
}

/** Above the thing, or below where there is no room; always on the screen. */
function place(popup: HTMLElement | null, anchor: HTMLElement): void {
  if (!popup) return;
  const of = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = popup;
  const left = Math.max(MARGIN, Math.min(of.left + (of.width - width) / 2, window.innerWidth - width - MARGIN));
  const above = of.top - GAP - height;
  popup.style.translate = `${Math.round(left)}px ${Math.round(above >= MARGIN ? above : of.bottom + GAP)}px`;
}

function hintedAt(target: EventTarget | null): HTMLElement | null {
  return target instanceof Element ? target.closest<HTMLElement>(HINTED) : null;
}

/** Tells which thing's hint is to be shown; returns what ends that. */
export function listen(show: (anchor: HTMLElement | null) => void): () => void {
  let shown: HTMLElement | null = null;
  let wanted: HTMLElement | null = null;
  /** What was pressed or escaped from: its hint is not wanted again before the pointer has left it. */
  let dismissed: HTMLElement | null = null;
  let timer = 0;
  const want = (anchor: HTMLElement | null, afterMs: number) => {
    if (anchor === wanted) return;
    wanted = anchor;
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      shown = anchor;
      show(anchor);
    }, afterMs);
  };
  const dismiss = () => {
    dismissed = wanted;
    want(null, 0);
  };
  const over = ({ target, pointerType }: PointerEvent) => {
    if (pointerType === "touch") return;
    const isPopup = target instanceof Element && target.closest(POPUP) !== null;
    const anchor = isPopup ? shown : hintedAt(target);
    if (anchor !== dismissed) dismissed = null;
    want(dismissed ? null : anchor, anchor ? DELAY_MS : GRACE_MS);
  };
  const focused = ({ target }: FocusEvent) =>
    want(target instanceof Element && target.matches(":focus-visible") ? hintedAt(target) : null, 0);
  const ending = new AbortController();
  const options = { capture: true, passive: true, signal: ending.signal };
  document.addEventListener("pointerover", over, options);
  document.addEventListener("focusin", focused, options);
  document.addEventListener("pointerdown", dismiss, options);
  document.addEventListener("scroll", dismiss, options);
  document.addEventListener("keydown", ({ key }) => key === "Escape" && dismiss(), options);
  return () => {
    clearTimeout(timer);
    ending.abort();
  };
}
