import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import type { Step as Period } from "@/control/usage";
import { type Stack, type Stacks, ticksOf } from "./stacks";

/** How long a column is; minutes are told in the reader's time, the others in UTC, as the ledger has them. */
type Step = Period | "minute";

const HEIGHT = 260;
const LEFT = 56;
const BOTTOM = 26;
const TOP = 8;
const WIDEST_BAR = 44;

/** The colour of a series by its place; what is not told apart is grey. */
export function colourOf(place: number, value: string | null): string {
  return value === null ? "var(--series-rest)" : `var(--series-${(place % 8) + 1})`;
}

interface ChartProps {
  data: Stacks;
  step: Step;
  nameOf: (value: string | null) => string;
  format: (amount: number) => string;
  formatShort: (amount: number) => string;
  /** What is drawn, for those who do not see it. */
  label: string;
}

/** Amounts over time, one upon the other. The figures of a column are told where the pointer or the keyboard is. */
export function Chart({ data, step, nameOf, format, formatShort, label }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const width = useWidth(frame);
  const [at, setAt] = useState<number | null>(null);
  const { stacks, series } = data;
  const slot = (width - LEFT) / Math.max(1, stacks.length);
  const chosen = at === null ? undefined : stacks[at];
  const onPointer = (event: PointerEvent<SVGSVGElement>) => {
    const x = event.clientX - event.currentTarget.getBoundingClientRect().left - LEFT;
    const place = Math.floor(x / slot);
    setAt(place >= 0 && place < stacks.length ? place : null);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const last = stacks.length - 1;
    const places: Record<string, number | null> = {
      ArrowRight: at === null ? 0 : Math.min(last, at + 1),
      ArrowLeft: at === null ? last : Math.max(0, at - 1),
      Home: 0,
      End: last,
      Escape: null,
    };
    if (!(event.key in places)) return;
    event.preventDefault();
    setAt(places[event.key] ?? null);
  };
  return (
    <div ref={frame} className="relative">
      <svg
        role="img"
        aria-label={`${label}. The arrow keys read it column by column.`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: as above
        tabIndex={0}
        width={width}
        height={HEIGHT}
        onPointerMove={onPointer}
        onPointerLeave={() => setAt(null)}
        onKeyDown={onKeyDown}
        onBlur={() => setAt(null)}
        className="block rounded-m"
      >
        <Scale most={data.most} width={width} format={formatShort} />
        {stacks.map((stack, place) => (
          <Column
            key={stack.start}
            stack={stack}
            x={LEFT + place * slot}
            slot={slot}
            top={topOf(data.most)}
            colours={series.map(({ value }, index) => colourOf(index, value))}
            isChosen={place === at}
          />
        ))}
        <Days stacks={stacks} step={step} slot={slot} />
      </svg>
      {chosen && (
        <Told
          stack={chosen}
          data={data}
          step={step}
          nameOf={nameOf}
          format={format}
          x={LEFT + (at ?? 0) * slot + slot / 2}
          width={width}
        />
      )}
    </div>
  );
}

function useWidth(frame: { current: HTMLElement | null }): number {
  const [width, setWidth] = useState(720);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(Math.max(240, element.clientWidth)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [frame]);
  return width;
}

function topOf(most: number): number {
  return ticksOf(most).at(-1) ?? 1;
}

function heightOf(amount: number, top: number): number {
  return (amount / top) * (HEIGHT - TOP - BOTTOM);
}

function Scale({ most, width, format }: { most: number; width: number; format: (amount: number) => string }) {
  const top = topOf(most);
  return ticksOf(most).map((tick) => {
    const y = HEIGHT - BOTTOM - heightOf(tick, top);
    return (
      <g key={tick}>
        <line x1={LEFT} x2={width} y1={y} y2={y} stroke="var(--line)" strokeWidth={1} />
        <text x={LEFT - 10} y={y + 4} textAnchor="end" className="fill-ink-3 text-micro tabular">
          {format(tick)}
        </text>
      </g>
    );
  });
}

interface ColumnProps {
  stack: Stack;
  x: number;
  slot: number;
  top: number;
  colours: string[];
  isChosen: boolean;
}

function Column({ stack, x, slot, top, colours, isChosen }: ColumnProps) {
  const width = Math.min(WIDEST_BAR, Math.max(2, slot * 0.72));
  let y = HEIGHT - BOTTOM;
  return (
    <g>
      {isChosen && <rect x={x} y={TOP} width={slot} height={HEIGHT - TOP - BOTTOM} fill="var(--hover)" />}
      {stack.parts.map((part, place) => {
        const height = heightOf(part, top);
        y -= height;
        const colour = colours[place];
        return (
          height > 0 && (
            <rect
              key={colour}
              x={x + (slot - width) / 2}
              y={y}
              width={width}
              height={Math.max(0.75, height - (height > 3 ? 1 : 0))}
              rx={Math.min(2, height / 2)}
              fill={colour}
            />
          )
        );
      })}
    </g>
  );
}

const hour = new Intl.DateTimeFormat("en", { hour: "2-digit", hourCycle: "h23", minute: "2-digit", timeZone: "UTC" });
const minute = new Intl.DateTimeFormat("en", { hour: "2-digit", hourCycle: "h23", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", timeZone: "UTC" });
const month = new Intl.DateTimeFormat("en", { month: "short", year: "numeric", timeZone: "UTC" });

export function nameOfPeriod(step: Step, start: number, long = false): string {
  const at = start * 1_000;
  if (step === "minute") return minute.format(at);
  if (step === "hour") return long ? `${day.format(at)}, ${hour.format(at)} UTC` : hour.format(at);
  if (step === "month") return month.format(at);
  return step === "week" && long ? `Week of ${day.format(at)}` : day.format(at);
}

const LABEL_WIDTH = 64;

function Days({ stacks, step, slot }: { stacks: Stack[]; step: Step; slot: number }) {
  const every = Math.max(1, Math.ceil(LABEL_WIDTH / slot));
  return stacks.map(
    ({ start }, place) =>
      place % every === 0 &&
      place <= stacks.length - Math.ceil(every / 2) && (
        <text
          key={start}
          x={LEFT + place * slot + slot / 2}
          y={HEIGHT - 8}
          textAnchor="middle"
          className="fill-ink-3 text-micro tabular"
        >
          {nameOfPeriod(step, start)}
        </text>
      ),
  );
}

interface ToldProps {
  stack: Stack;
  data: Stacks;
  step: Step;
  nameOf: (value: string | null) => string;
  format: (amount: number) => string;
  x: number;
  width: number;
}

function Told({ stack, data, step, nameOf, format, x, width }: ToldProps) {
  const parts = data.series
    .map(({ value }, place) => ({ value, place, amount: stack.parts[place] ?? 0 }))
    .filter(({ amount }) => amount > 0)
    .toSorted((one, other) => other.amount - one.amount);
  const side = x > width / 2 ? { right: width - x + 14 } : { left: x + 14 };
  return (
    <div
      role="status"
      style={side}
      className="pointer-events-none absolute top-2 z-10 max-w-72 min-w-44 rounded-m border border-line bg-raised px-3 py-2.5 text-small shadow-2"
    >
      <p className="flex justify-between gap-6 font-medium">
        <span>{nameOfPeriod(step, stack.start, true)}</span>
        <span className="tabular">{format(stack.total)}</span>
      </p>
      {parts.length === 0 && <p className="mt-1 text-ink-3">Nothing</p>}
      <ul className="mt-1.5 flex flex-col gap-1">
        {parts.map(({ value, place, amount }) => (
          <li key={place} className="flex items-center gap-2">
            <Swatch colour={colourOf(place, value)} />
            <span className="min-w-0 flex-1 truncate text-ink-2">{nameOf(value)}</span>
            <span className="tabular">{format(amount)}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}

export function Swatch({ colour }: { colour: string }) {
  return (
    <svg aria-hidden="true" width={9} height={9} className="shrink-0">
      <rect width={9} height={9} rx={2} fill={colour} />
    </svg>
  );
}
