interface SwitchProps {
  on: boolean;
  onChange: (on: boolean) => void;
  /** ID of the text that names it. */
  labelledBy: string;
}

/** On or off, at once. */
export function Switch({ on, onChange, labelledBy }: SwitchProps) {
  return (
    <button
      type="button"
      role="switch"
      aria-checked={on}
      aria-labelledby={labelledBy}
      onClick={() => onChange(!on)}
      className="group flex h-5 w-9 shrink-0 rounded-full bg-line-strong p-0.5 transition-colors aria-checked:bg-accent"
    >
      <span className="size-4 rounded-full bg-[#fff] shadow-1 transition-transform duration-200 ease-[var(--ease-out)] group-aria-checked:translate-x-4" />
    </button>
  );
}
