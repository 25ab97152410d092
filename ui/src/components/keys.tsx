const APPLE = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.platform);

/** `Mod` is ⌘ on Apple's machines and Ctrl elsewhere. */
function named(key: string): string {
  if (key === "Mod") return APPLE ? "⌘" : "Ctrl";
  if (key === "Enter") return "↵";
  return key;
}

export function Keys({ keys, inverse = false }: { keys: string[]; inverse?: boolean }) {
  const look = inverse ? "opacity-70" : "rounded-s border border-line-field bg-floor px-1 text-ink-3";
  return (
    <span className="inline-flex items-center gap-0.5">
      {keys.map((key) => (
        <kbd key={key} className={`min-w-4 text-center font-sans text-micro leading-4 font-medium ${look}`}>
          {named(key)}
        </kbd>
      ))}
    </span>
  );
}

/** Whether the key that `Mod` stands for is held. */
export function modHeld(event: { metaKey: boolean; ctrlKey: boolean }): boolean {
  return APPLE ? event.metaKey : event.ctrlKey || event.metaKey;
}
