import type { ComponentProps, ReactNode } from "react";

type Look = "primary" | "secondary" | "ghost" | "danger";

const LOOKS: Record<Look, string> = {
  primary:
    "bg-accent text-on-accent shadow-1 hover:bg-accent-hover disabled:bg-press disabled:text-ink-3 disabled:shadow-none",
  secondary: "border border-line-field bg-sheet text-ink shadow-1 hover:border-line-strong hover:bg-floor",
  ghost: "text-ink-2 hover:bg-hover hover:text-ink active:bg-press",
  danger: "bg-ink text-floor hover:opacity-90",
};

interface ButtonProps extends ComponentProps<"button"> {
  look?: Look;
  size?: "s" | "m";
}

export function Button({ look = "secondary", size = "m", className = "", type = "button", ...rest }: ButtonProps) {
  const measure = size === "s" ? "h-7 gap-1.5 px-2.5 text-small" : "h-9 gap-2 px-3.5 text-body";
  return (
    <button
      type={type}
      className={`inline-flex shrink-0 items-center justify-center rounded-m font-medium whitespace-nowrap transition-colors disabled:cursor-not-allowed ${measure} ${LOOKS[look]} ${className}`}
      {...rest}
    />
  );
}

interface IconButtonProps extends Omit<ComponentProps<"button">, "aria-label"> {
  /** The accessible name, also shown as a hint. */
  label: string;
  /** The keys that do the same. */
  keys?: string[];
  children: ReactNode;
}

/** A button that shows an icon only, and says its name to whoever asks. */
export function IconButton({ label, keys, className = "", children, type = "button", ...rest }: IconButtonProps) {
  return (
    <button
      type={type}
      aria-label={label}
      data-hint={label}
      data-hint-keys={keys?.join(" ")}
      className={`inline-flex size-8 shrink-0 items-center justify-center rounded-m text-ink-3 transition-colors hover:bg-hover hover:text-ink active:bg-press disabled:pointer-events-none disabled:opacity-40 aria-pressed:bg-hover aria-pressed:text-ink [&_svg]:size-4 ${className}`}
      {...rest}
    >
      {children}
    </button>
  );
}
