import { RotateCcw } from "lucide-react";
import { type ReactNode, useId } from "react";
import { Button } from "@/components/button";
import { Switch } from "@/components/switch";
import { useStore } from "@/lib/external-store";
import { schemaProblem, type Tuning, UNTUNED } from "./conversation";
import { session } from "./session";

const HOTTEST = 2;

/** The system prompt and the parameters. What is not set is not sent, and the provider's default holds. */
export function TuningPanel() {
  const { tuning } = useStore(session.store);
  const changed = JSON.stringify(tuning) !== JSON.stringify(UNTUNED);
  return (
    <div className="flex flex-col gap-6">
      <SystemField tuning={tuning} />
      <TemperatureField tuning={tuning} />
      <div className="grid grid-cols-2 gap-3">
        <CountField
          name="Max tokens"
          value={tuning.maxTokens}
          least={1}
          onChange={(maxTokens) => session.tune({ maxTokens })}
        />
        <CountField name="Seed" value={tuning.seed} least={0} onChange={(seed) => session.tune({ seed })} />
      </div>
      <SchemaField tuning={tuning} />
      {changed && (
        <Button look="ghost" size="s" className="-ml-2.5 self-start" onClick={() => session.tune(UNTUNED)}>
          <RotateCcw className="size-3.5" aria-hidden="true" />
          Reset to defaults
        </Button>
      )}
    </div>
  );
}

function Labelled({ id, name, aside, children }: { id: string; name: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <div>
      <div className="mb-1.5 flex items-baseline justify-between gap-2">
        <label htmlFor={id} className="text-body font-medium">
          {name}
        </label>
        {aside}
      </div>
      {children}
    </div>
  );
}

function SystemField({ tuning }: { tuning: Tuning }) {
  const id = useId();
  return (
    <Labelled id={id} name="System prompt">
      <div className="field">
        <textarea
          id={id}
          rows={4}
          placeholder="How the model should behave"
          value={tuning.system}
          onChange={(event) => session.tune({ system: event.target.value })}
          className="block w-full resize-y bg-transparent px-3 py-2 text-body max-sm:text-[1rem]"
        />
      </div>
    </Labelled>
  );
}

function TemperatureField({ tuning: { temperature } }: { tuning: Tuning }) {
  const id = useId();
  const shown = temperature ?? 1;
  const aside =
    temperature === null ? (
      <span className="text-small text-ink-3">Default</span>
    ) : (
      <span className="flex items-baseline gap-2 text-small tabular">
        <button type="button" className="text-ink-3 hover:text-ink" onClick={() => session.tune({ temperature: null })}>
          Clear
        </button>
        <span className="font-medium">{temperature.toFixed(1)}</span>
      </span>
    );
  return (
    <Labelled id={id} name="Temperature" aside={aside}>
      <input
        id={id}
        type="range"
        min={0}
        max={HOTTEST}
        step={0.1}
        value={shown}
        data-unset={temperature === null || undefined}
        aria-valuetext={temperature === null ? "Default" : temperature.toFixed(1)}
        ref={(element) => element?.style.setProperty("--filled", `${(shown / HOTTEST) * 100}%`)}
        onChange={(event) => session.tune({ temperature: Number(event.target.value) })}
        className="slider"
      />
      <div className="flex justify-between text-micro text-ink-3" aria-hidden="true">
        <span>Precise</span>
        <span>Free</span>
      </div>
    </Labelled>
  );
}

interface CountFieldProps {
  name: string;
  value: number | null;
  least: number;
  onChange: (value: number | null) => void;
}

function CountField({ name, value, least, onChange }: CountFieldProps) {
  const id = useId();
  const read = (text: string) => {
    const count = Number.parseInt(text, 10);
    onChange(Number.isSafeInteger(count) ? Math.max(least, count) : null);
  };
  return (
    <Labelled id={id} name={name}>
      <div className="field">
        <input
          id={id}
          type="text"
          inputMode="numeric"
          placeholder="Default"
          value={value ?? ""}
          onChange={(event) => read(event.target.value)}
          className="h-8.5 w-full bg-transparent px-3 text-body tabular max-sm:text-[1rem]"
        />
      </div>
    </Labelled>
  );
}

function SchemaField({ tuning: { schemaOn, schemaText } }: { tuning: Tuning }) {
  const id = useId();
  const problem = schemaOn ? schemaProblem(schemaText) : undefined;
  return (
    <div>
      <div className="flex items-center justify-between gap-3">
        <div>
          <p id={`${id}-name`} className="text-body font-medium">
            JSON schema
          </p>
          <p className="text-small text-ink-3">The answer is JSON of this shape.</p>
        </div>
        <Switch on={schemaOn} onChange={(on) => session.tune({ schemaOn: on })} labelledBy={`${id}-name`} />
      </div>
      {schemaOn && (
        <>
          <div className="field mt-2.5" data-invalid={problem || undefined}>
            <textarea
              aria-label="JSON schema"
              aria-invalid={problem !== undefined}
              aria-describedby={`${id}-problem`}
              rows={12}
              wrap="off"
              spellCheck={false}
              value={schemaText}
              onChange={(event) => session.tune({ schemaText: event.target.value })}
              className="block w-full resize-y bg-transparent px-3 py-2 overflow-x-auto font-mono text-small max-sm:text-[1rem]"
            />
          </div>
          <p id={`${id}-problem`} className="mt-1.5 text-small text-bad-text" aria-live="polite">
            {problem && `Not sent: ${problem}`}
          </p>
        </>
      )}
    </div>
  );
}
