import { errorOf, type FailureFacts } from "@narthex/client";
import { signInWanted } from "./credentials";

export type { FailureFacts };

/** A call that the server answered with an error, or that never reached it. */
export class Failure extends Error {
  constructor(readonly facts: FailureFacts) {
    super(facts.message);
    this.name = "Failure";
  }
}

/** What is said to somebody who is signing in, or proves once more who they are. */
const AT_THE_DESK = new Set(["sign_in_failed", "second_factor_failed", "sign_in_expired"]);

/** Turns a response that is not 2xx into a failure, and asks for a key where one is wanted. */
export async function failureOf(response: Response): Promise<Failure> {
  const { facts } = await errorOf(response);
  if (response.status === 401 && !AT_THE_DESK.has(facts.code)) signInWanted.set(true);
  return new Failure(facts);
}

/** What is said when the network gives no answer at all. */
export function unreachable(): Failure {
  return new Failure({ code: "server_unreachable", message: "The server does not answer." });
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
