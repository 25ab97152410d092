import type { StreamEvent } from "../events.js";
import { parsed } from "../failures.js";

/** What is held of a stream, from its first event on. */
export interface Cached {
  events: StreamEvent[];
  /** Whether that is all of it. */
  ended: boolean;
}

/** Keeps the events of streams in the browser. It never fails: where there is no room it does without. */
export interface StreamCache {
  /** Returns what is held of a stream, without a gap. */
  read(stream: string): Promise<Cached>;
  /** Adds events; those it has already are passed over. */
  append(stream: string, events: readonly StreamEvent[], ended: boolean): Promise<void>;
  /** Forgets a stream. */
  forget(stream: string): Promise<void>;
}

/** Where a cache keeps its texts. Each method may fail; `set` does where there is no room. */
export interface TextStore {
  keys(): Promise<string[]>;
  get(key: string): Promise<string | null>;
  set(key: string, value: string): Promise<void>;
  delete(keys: readonly string[]): Promise<void>;
}

export interface CacheOptions {
  /** Bytes of all streams; the least recently used go first. A character counts as two. */
  maxBytes?: number;
  /** Says the time in milliseconds. */
  now?: () => number;
}

interface Piece {
  key: string;
  stream: string;
  first: number;
  last: number;
  bytes: number;
}

interface Holding {
  pieces: Piece[];
  marks: { key: string; at: number }[];
}

type Row = [seq: number, name: string, data: string];

/**
 * A cache over any store of texts: pieces of streams under keys that say what is in them.
 *
 *     <stream>/<first>/<last>/<bytes>    events, as JSON; the last piece of an answer says that it is
 *     <stream>/at/<milliseconds>         when the stream was last used
 *
 * Several tabs may write one stream: pieces that overlap are merged when they are read.
 */
export class StoredCache implements StreamCache {
  private turn: Promise<unknown> = Promise.resolve();
  private readonly full = new Set<string>();
  private readonly maxBytes: number;
  private readonly now: () => number;

  constructor(
    private readonly store: TextStore,
    { maxBytes = 4_194_304, now = Date.now }: CacheOptions = {},
  ) {
    this.maxBytes = maxBytes;
    this.now = now;
  }

  read(stream: string): Promise<Cached> {
    return this.next(() => this.load(stream), { events: [], ended: false });
  }

  append(stream: string, events: readonly StreamEvent[], ended: boolean): Promise<void> {
    return this.next(() => this.add(stream, events, ended), undefined);
  }

  forget(stream: string): Promise<void> {
    return this.next(async () => this.drop((await this.holdings()).get(stream)), undefined);
  }

  /** Does one thing after another; what fails is done without. */
  private next<T>(work: () => Promise<T>, otherwise: T): Promise<T> {
    const done = this.turn.then(work).catch(() => otherwise);
    this.turn = done;
    return done;
  }

  private async load(stream: string): Promise<Cached> {
    const held = (await this.holdings()).get(stream);
    if (!held) return { events: [], ended: false };
    const events = new Map<number, StreamEvent>();
    let end = Number.POSITIVE_INFINITY;
    for (const { key, last } of held.pieces) {
      const { rows, ended } = readPiece(await this.store.get(key));
      for (const [seq, name, data] of rows) events.set(seq, { seq, name, data });
      if (ended) end = last;
    }
    await this.touch(stream, held);
    const whole = inOrder(events);
    return { events: whole, ended: whole.length >= end };
  }

  private async add(stream: string, events: readonly StreamEvent[], ended: boolean): Promise<void> {
    if (this.full.has(stream)) return;
    const all = await this.holdings();
    const held = all.get(stream) ?? { pieces: [], marks: [] };
    const last = Math.max(0, ...held.pieces.map((piece) => piece.last));
    const fresh = events.filter((event) => event.seq > last);
    if (fresh.length === 0 && !ended) return;
    const rows = fresh.map(({ seq, name, data }): Row => [seq, name, data]);
    const value = JSON.stringify({ rows, ended });
    const [from, to] = [fresh.at(0)?.seq ?? last, fresh.at(-1)?.seq ?? last];
    const key = `${stream}/${from}/${to}/${2 * value.length}`;
    if (!(await this.put(key, value, stream, all))) this.full.add(stream);
    else await this.touch(stream, held);
  }

  /** Writes a piece, after making room for it; returns whether there was room. */
  private async put(key: string, value: string, stream: string, all: Map<string, Holding>): Promise<boolean> {
    const others = [...all].filter(([name]) => name !== stream).sort(([, a], [, b]) => usedAt(a) - usedAt(b));
    let bytes = [...all.values()].reduce((sum, held) => sum + bytesOf(held), 2 * value.length);
    for (;;) {
      if (bytes <= this.maxBytes && (await this.tryToSet(key, value))) return true;
      const oldest = others.shift();
      if (!oldest) return false;
      bytes -= bytesOf(oldest[1]);
      await this.drop(oldest[1]);
    }
  }

  private async tryToSet(key: string, value: string): Promise<boolean> {
    try {
      await this.store.set(key, value);
      return true;
    } catch {
      // The browser's quota, which pages of the same origin share.
      return false;
    }
  }

  private async touch(stream: string, held: Holding): Promise<void> {
    const key = `${stream}/at/${this.now()}`;
    await this.store.delete(held.marks.map((mark) => mark.key).filter((old) => old !== key));
    await this.tryToSet(key, "");
  }

  private async drop(held: Holding | undefined): Promise<void> {
    if (held) await this.store.delete([...held.pieces, ...held.marks].map(({ key }) => key));
  }

  private async holdings(): Promise<Map<string, Holding>> {
    const all = new Map<string, Holding>();
    for (const key of await this.store.keys()) {
      const [stream = "", first, last, bytes] = key.split("/");
      const held = all.get(stream) ?? { pieces: [], marks: [] };
      all.set(stream, held);
      if (first === "at") held.marks.push({ key, at: Number(last) });
      else held.pieces.push({ key, stream, first: Number(first), last: Number(last), bytes: Number(bytes) });
    }
    return all;
  }
}

function usedAt({ marks }: Holding): number {
  return Math.max(0, ...marks.map(({ at }) => at));
}

function bytesOf({ pieces }: Holding): number {
  return pieces.reduce((sum, piece) => sum + piece.bytes, 0);
}

/** Reads what may have been written by another version, or by hand. */
function readPiece(value: string | null): { rows: Row[]; ended: boolean } {
  const body = parsed(value ?? "");
  if (typeof body !== "object" || body === null) return { rows: [], ended: false };
  const { rows, ended } = body as { rows?: unknown; ended?: unknown };
  return { rows: Array.isArray(rows) ? rows.filter(isRow) : [], ended: ended === true };
}

function isRow(row: unknown): row is Row {
  const [seq, name, data] = Array.isArray(row) ? (row as unknown[]) : [];
  return typeof seq === "number" && typeof name === "string" && typeof data === "string";
}

/** Returns the events from the first to the one before the first gap. */
function inOrder(events: Map<number, StreamEvent>): StreamEvent[] {
  const whole: StreamEvent[] = [];
  for (let event = events.get(1); event; event = events.get(whole.length + 1)) whole.push(event);
  return whole;
}
