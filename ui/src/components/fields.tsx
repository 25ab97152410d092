import { ChevronDown } from "lucide-react";
import { type ComponentProps, type ReactNode, useId } from "react";
import { withCode } from "./failure-card";
import { Switch } from "./switch";

interface Said {
  label: string;
  /** What it does, or how it is written. */
  note?: string | undefined;
  /** Why what stands there will not do. */
  problem?: string | undefined;
}

function Framed({ id, label, note, problem, children }: Said & { id: string; children: ReactNode }) {
  return (
    <div className="min-w-0">
      <label htmlFor={id} className="mb-1.5 block text-body font-medium">
        {label}
      </label>
      {children}
      <p id={`${id}-note`} aria-live="polite" className="mt-1.5 text-small text-ink-3 empty:hidden">
        {problem ? <span className="text-bad-text">{problem}</span> : note && withCode(note)}
      </p>
    </div>
  );
}

interface TextFieldProps extends Said, Omit<ComponentProps<"input">, "onChange" | "value"> {
  value: string;
  onChange: (value: string) => void;
  mono?: boolean;
  suffix?: string;
}

export function TextField({ label, note, problem, value, onChange, mono, suffix, ...rest }: TextFieldProps) {
  const id = useId();
  return (
    <Framed id={id} label={label} note={note} problem={problem}>
      <div className="field flex items-center" data-invalid={problem || undefined}>
        <input
          id={id}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          aria-invalid={problem !== undefined}
          aria-describedby={`${id}-note`}
          autoComplete="off"
          spellCheck={false}
          className={`h-9 w-full min-w-0 bg-transparent px-3 text-body max-sm:text-[1rem] ${mono ? "font-mono" : ""}`}
          {...rest}
        />
        {suffix && <span className="pr-3 text-small whitespace-nowrap text-ink-3">{suffix}</span>}
      </div>
    </Framed>
  );
}

interface AreaFieldProps extends Said {
  value: string;
  onChange: (value: string) => void;
  rows?: number;
  mono?: boolean;
  placeholder?: string;
}

export function AreaField({ label, note, problem, value, onChange, rows = 3, mono, placeholder }: AreaFieldProps) {
  const id = useId();
  return (
    <Framed id={id} label={label} note={note} problem={problem}>
      <div className="field" data-invalid={problem || undefined}>
        <textarea
          id={id}
          rows={rows}
          value={value}
          placeholder={placeholder}
          onChange={(event) => onChange(event.target.value)}
          aria-invalid={problem !== undefined}
          aria-describedby={`${id}-note`}
          spellCheck={false}
          className={`block w-full resize-y bg-transparent px-3 py-2 text-body max-sm:text-[1rem] ${mono ? "font-mono" : ""}`}
        />
      </div>
    </Framed>
  );
}

export interface Choice {
  value: string;
  name: string;
}

interface SelectFieldProps extends Said {
  value: string;
  choices: readonly Choice[];
  onChange: (value: string) => void;
}

export function SelectField({ label, note, problem, value, choices, onChange }: SelectFieldProps) {
  const id = useId();
  return (
    <Framed id={id} label={label} note={note} problem={problem}>
      <Select id={id} value={value} choices={choices} onChange={onChange} describedBy={`${id}-note`} />
    </Framed>
  );
}

interface SelectProps {
  id?: string;
  label?: string;
  describedBy?: string;
  value: string;
  choices: readonly Choice[];
  onChange: (value: string) => void;
  small?: boolean;
}

/** One of several, by the browser's own list: it is worked alike on every machine. */
export function Select({ id, label, describedBy, value, choices, onChange, small = false }: SelectProps) {
  return (
    <div className="field relative flex items-center">
      <select
        id={id}
        aria-label={label}
        aria-describedby={describedBy}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        className={`w-full appearance-none truncate bg-transparent pr-8 pl-3 text-body text-ink max-sm:text-[1rem] [&>option]:bg-raised [&>option]:text-ink ${small ? "h-8" : "h-9"}`}
      >
        {choices.map((choice) => (
          <option key={choice.value} value={choice.value}>
            {choice.name}
          </option>
        ))}
      </select>
      <ChevronDown className="pointer-events-none absolute right-2.5 size-3.5 text-ink-3" aria-hidden="true" />
    </div>
  );
}

interface SwitchFieldProps {
  label: string;
  note?: string;
  on: boolean;
  onChange: (on: boolean) => void;
}

export function SwitchField({ label, note, on, onChange }: SwitchFieldProps) {
  const id = useId();
  return (
    <div className="flex items-center justify-between gap-4">
      <div>
        <p id={`${id}-name`} className="text-body font-medium">
          {label}
        </p>
        {note && <p className="text-small text-ink-3">{withCode(note)}</p>}
      </div>
      <Switch on={on} onChange={onChange} labelledBy={`${id}-name`} />
    </div>
  );
}

interface ChecksProps {
  label: string;
  note?: string;
  choices: readonly Choice[];
  chosen: readonly string[];
  onChange: (chosen: string[]) => void;
}

/** Any number of several. */
export function Checks({ label, note, choices, chosen, onChange }: ChecksProps) {
  const toggle = (value: string) =>
    onChange(chosen.includes(value) ? chosen.filter((one) => one !== value) : [...chosen, value]);
  return (
    <fieldset>
      <legend className="mb-1.5 text-body font-medium">{label}</legend>
      <div className="flex flex-wrap gap-1.5">
        {choices.map(({ value, name }) => (
          <label
            key={value}
            className="inline-flex h-7.5 cursor-pointer items-center gap-2 rounded-m border border-line-field bg-sheet px-2.5 text-body text-ink-2 transition-colors hover:border-line-strong has-checked:border-accent-line has-checked:bg-accent-soft has-checked:text-accent-text has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent"
          >
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={() => toggle(value)}
              className="size-3.5 accent-accent focus-visible:outline-none"
            />
            {name}
          </label>
        ))}
      </div>
      {note && <p className="mt-1.5 text-small text-ink-3">{withCode(note)}</p>}
    </fieldset>
  );
}

/** The lines or comma-separated words of a field, each once. */
export function wordsIn(text: string): string[] {
  const words = text.split(/[\s,]+/).filter((word) => word !== "");
  return [...new Set(words)];
}
