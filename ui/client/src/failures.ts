/** What went wrong with a stream, as the server's error body tells it. */
export interface FailureFacts {
  message: string;
  /** The machine-readable word: one of the server's, or one of `ClientCode`. */
  code: string;
  type?: string | undefined;
  param?: string | undefined;
  requestId?: string | undefined;
  /** HTTP status, where an answer had one. */
  status?: number | undefined;
}

/** Codes of what a client sees by itself. */
export type ClientCode =
  /** The server does not answer. */
  | "server_unreachable"
  /** The answer was cut, and cannot be read on: it is not kept. */
  | "stream_cut"
  /** The connection was lost, and could not be had again in time; the stream may still be there. */
  | "stream_lost"
  /** What answered is no stream of events. */
  | "not_a_stream";

/** A stream that was refused, that failed, that was cancelled, or that was lost. */
export class StreamError extends Error {
  constructor(readonly facts: FailureFacts) {
    super(facts.message);
    this.name = "StreamError";
  }

  get code(): string {
    return this.facts.code;
  }

  get status(): number | undefined {
    return this.facts.status;
  }

  get requestId(): string | undefined {
    return this.facts.requestId;
  }
}

export function clientError(code: ClientCode, message: string, known: Partial<FailureFacts> = {}): StreamError {
  return new StreamError({ ...known, code, message });
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Reads `{"error": {...}}`; returns nothing if `body` is not an error body. */
export function errorIn(body: unknown, known: Partial<FailureFacts> = {}): StreamError | undefined {
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const { error } = body;
  if (typeof error === "string") return new StreamError({ ...known, message: error, code: "error" });
  if (typeof error !== "object" || error === null) return undefined;
  const { message, code, type, param, request_id } = error as Record<string, unknown>;
  return new StreamError({
    ...known,
    message: text(message) ?? "The server gave no message.",
    code: text(code) ?? text(type) ?? "error",
    type: text(type),
    param: text(param),
    requestId: text(request_id) ?? known.requestId,
  });
}

/** Turns a response that is not 2xx into an error. */
export async function errorOf(response: Response): Promise<StreamError> {
  const known = { status: response.status, requestId: response.headers.get("x-request-id") ?? undefined };
  const body = parsed(await response.text().catch(() => ""));
  return errorIn(body, known) ?? new StreamError({ ...known, ...unreadable(response.status) });
}

/** Parses JSON; returns nothing if it is none. */
export function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function unreadable(status: number): { message: string; code: string } {
  if (status === 502 || status === 504) return { code: "server_unreachable", message: "The server does not answer." };
  return { code: `http_${status}`, message: `The server answered with status ${status} and no readable error.` };
}
