import { errorIn, type FailureFacts, parsed, StreamError } from "./failures.js";
import type { ServerEvent } from "./sse.js";

/** One event of a streamed answer, with its number in the stream. */
export interface StreamEvent {
  /** Counts from 1. */
  seq: number;
  /** `message` unless the server named it. */
  name: string;
  data: string;
}

const LAST_NAMES = new Set(["message_stop", "response.completed", "response.incomplete"]);
const ERROR_NAMES = new Set(["message", "error", "response.failed"]);

/** Returns the number in an event's `id`, if that is one of this stream. */
export function numberOf(event: ServerEvent, stream: string): number | undefined {
  const colon = event.id.lastIndexOf(":");
  if (colon < 0 || event.id.slice(0, colon) !== stream) return undefined;
  const number = event.id.slice(colon + 1);
  return /^[0-9]{1,15}$/.test(number) ? Number(number) : undefined;
}

/** Whether nothing comes after this event, because the answer is whole. */
export function isEnd({ name, data }: StreamEvent): boolean {
  return LAST_NAMES.has(name) || (name === "message" && data.trim() === "[DONE]");
}

/** Returns why the answer ends with this event without being whole, if it does. */
export function failureIn({ name, data }: StreamEvent, known: Partial<FailureFacts> = {}): StreamError | undefined {
  if (!ERROR_NAMES.has(name) || !data.includes('"error"')) return undefined;
  const body = parsed(data);
  return errorIn(body, known) ?? errorIn(responseIn(body), known) ?? bare(body, known);
}

/** `response.failed` carries the response, and the error in it. */
function responseIn(body: unknown): unknown {
  return typeof body === "object" && body !== null && "response" in body ? body.response : undefined;
}

/** The responses surface tells `{"type": "error", "code": …, "message": …}`. */
function bare(body: unknown, known: Partial<FailureFacts>): StreamError | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const { type, code, message } = body as Record<string, unknown>;
  if (type !== "error" || typeof message !== "string") return undefined;
  return new StreamError({ ...known, message, code: typeof code === "string" ? code : "error" });
}
