import type { StreamCache } from "./cache/cache.js";
import { type ReadOptions, StreamController } from "./controller.js";
import { Gate, type GateOptions } from "./gate.js";
import type { OnDisconnect, StreamReport, StreamStatus } from "./report.js";

export interface StreamsOptions extends GateOptions {
  /** For all streams that do not name their own. */
  cache?: StreamCache;
}

export interface StartOptions extends ReadOptions {
  /** By default a new UUID. */
  id?: string;
  /** By default `detach`: a lost connection must not end the call that is to be read on. */
  onDisconnect?: OnDisconnect;
  /** Sent with this call alone. */
  headers?: Record<string, string>;
}

export interface AttachOptions extends ReadOptions {
  /** Number of the last event that one has; by default what the cache holds, or 0. */
  after?: number;
}

/** The streams of one gateway. */
export class Streams {
  private readonly gate: Gate;

  constructor(private readonly options: StreamsOptions = {}) {
    this.gate = new Gate(options);
  }

  /** Begins a streamed call on any route, such as `/v1/chat/completions`; `stream: true` is added to the body. */
  start(route: string, body: Record<string, unknown>, options: StartOptions = {}): StreamController {
    const { id = newId(), onDisconnect = "detach", headers = {}, ...reading } = options;
    const call = { route, body: { ...body, stream: true }, headers, onDisconnect };
    return new StreamController(this.gate, { ...this.known(), ...reading, id, call });
  }

  /** Reads a stream that was begun before, here or elsewhere. */
  attach(id: string, options: AttachOptions = {}): StreamController {
    return new StreamController(this.gate, { ...this.known(), ...options, id });
  }

  /** Returns how one's own streams stand, the newest first. */
  async list(wanted: { status?: StreamStatus; limit?: number } = {}): Promise<StreamReport[]> {
    const query = new URLSearchParams(Object.entries(wanted).map(([name, value]) => [name, String(value)]));
    const { data } = await this.gate.value<{ data: StreamReport[] }>("GET", `/v1/streams?${query}`);
    return data;
  }

  /** Returns how one stream stands. */
  progress(id: string): Promise<StreamReport> {
    return this.gate.value<StreamReport>("GET", `/v1/streams/${encodeURIComponent(id)}`);
  }

  /** Forgets a stream that has ended, here and on the server. */
  async delete(id: string): Promise<void> {
    await this.options.cache?.forget(id);
    await this.gate.value<unknown>("DELETE", `/v1/streams/${encodeURIComponent(id)}`);
  }

  private known(): ReadOptions {
    const { cache } = this.options;
    return cache ? { cache } : {};
  }
}

/** Returns a new UUID; browsers make none by themselves on origins without TLS. */
export function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
