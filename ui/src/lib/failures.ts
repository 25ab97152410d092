import { signInWanted } from "./credentials";

/** What the server's error body says, on every route. */
export interface FailureFacts {
  message: string;
  code: string;
  type?: string | undefined;
  param?: string | undefined;
  requestId?: string | undefined;
  status?: number | undefined;
}

/** A call that the server answered with an error, or that never reached it. */
export class Failure extends Error {
  constructor(readonly facts: FailureFacts) {
    super(facts.message);
    this.name = "Failure";
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Reads `{"error": {...}}`; returns nothing if `body` is not an error body. */
export function failureFrom(body: unknown, known: Partial<FailureFacts> = {}): Failure | undefined {
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const error = (body as { error: unknown }).error;
  if (typeof error === "string") return new Failure({ ...known, message: error, code: "error" });
  if (typeof error !== "object" || error === null) return undefined;
  const { message, code, type, param, request_id } = error as Record<string, unknown>;
  return new Failure({
    ...known,
    message: text(message) ?? "The server gave no message.",
    code: text(code) ?? text(type) ?? "error",
    type: text(type),
    param: text(param),
    requestId: text(request_id) ?? known.requestId,
  });
}

/** Turns a response that is not 2xx into a failure, and asks for a key where one is wanted. */
export async function failureOf(response: Response): Promise<Failure> {
  if (response.status === 401) signInWanted.set(true);
  const known = { status: response.status, requestId: response.headers.get("x-request-id") ?? undefined };
  const body = await response.text().catch(() => "");
  return failureFrom(parsed(body), known) ?? new Failure({ ...known, ...unreadable(response.status) });
}

/** What is said when the network gives no answer at all. */
export function unreachable(): Failure {
  return new Failure({ code: "server_unreachable", message: "The server does not answer." });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

function unreadable(status: number): FailureFacts {
  if (status === 502 || status === 504) return { code: "server_unreachable", message: "The server does not answer." };
  return { code: `http_${status}`, message: `The server answered with status ${status} and no readable error.` };
}

const REMEDIES: Record<string, string> = {
  server_unreachable: "Is it still running? Start it with `narthex serve`, then try again.",
  invalid_api_key: "Sign in with one of the keys that the server was configured with.",
  model_not_found: "Pick another model; the overview lists those there are.",
  model_unavailable: "Install its weights with `narthex models install`; `narthex doctor` says what is missing.",
  context_length_exceeded: "Shorten the conversation, start a new one, or pick a model with a larger window.",
  body_too_large: "Send less, or raise `server.max_body_bytes`.",
  overloaded: "Wait a moment and send it again.",
  unsupported_content: "Pick a model with the capability that is missing.",
  deadline_exceeded: "Ask for less, or raise `timeouts.total_s`.",
  internal_error: "Look for the request ID in the server's log.",
  provider_authentication: "Set the provider's key on the server and restart it; `narthex doctor` checks it.",
  provider_rate_limited: "Wait a moment and send it again, or pick a model of another provider.",
  provider_unreachable: "Check the provider's address and this machine's network; `narthex doctor` tries it.",
  provider_overloaded: "Wait a moment and send it again, or pick a model of another provider.",
  provider_timeout: "Send it again, or raise the limit that the message names.",
  provider_truncated_answer: "Send it again.",
  provider_malformed_answer: "Check that the provider's address speaks the API that its `kind` names.",
  stream_cut: "Send it again.",
  stream_lost: "What was written is still on the server for a while: read on.",
  stream_not_found: "It was forgotten, belongs to another key, or was lost when the server stopped. Ask again.",
  stream_expired: "Answers are kept for `streams.keep_s` seconds after their end. Ask again.",
  events_forgotten: "The server keeps `streams.max_bytes` of an answer. Ask again, for less.",
  paused_too_long: "A pause may last `streams.pause_limit_s` seconds. Ask again.",
};

/** Returns what a reader can do about a failure, if anything is known. */
export function remedyFor(facts: FailureFacts): string | undefined {
  const remedy = REMEDIES[facts.code];
  return remedy && !facts.message.includes(remedy) ? remedy : undefined;
}
