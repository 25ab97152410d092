/** How a stream stands on the server. */
export type StreamStatus = "waiting" | "running" | "paused" | "done" | "cancelled" | "failed";

/** What becomes of a call when nobody reads its answer any more. */
export type OnDisconnect = "cancel" | "detach";

/** How far an answer is. */
export interface StreamProgress {
  bytes: number;
  events: number;
  output_tokens: number;
  /** The most that the request allows. */
  limit_tokens: number | null;
  /** Of that limit. */
  percent: number | null;
  elapsed_ms: number;
  first_token_ms: number | null;
  /** Over the last seconds in which there were events. */
  bytes_per_s: number;
  events_per_s: number;
  /** Pauses between two events, in milliseconds. */
  gaps_ms: { mean: number; p50: number; p95: number; longest: number; stalls: number } | null;
}

/** What `GET /v1/streams/{id}` tells. */
export interface StreamReport {
  object: "stream";
  id: string;
  status: StreamStatus;
  /** Whether its events can be read again. */
  kept: boolean;
  /** As asked for. */
  model: string;
  /** `provider/model` that answers. */
  target: string | null;
  dialect: string;
  /** Unix time in seconds. */
  created_at: number;
  /** Number of the oldest event that is held. */
  first_seq: number;
  last_seq: number;
  readers: number;
  on_disconnect: OnDisconnect;
  attempts: string;
  progress: StreamProgress;
  usage: { input_tokens: number; output_tokens: number } | null;
  error: { code: string; message: string } | null;
}

/** Whether a stream has come to its end, one way or another. */
export function hasEnded({ status }: StreamReport): boolean {
  return status === "done" || status === "cancelled" || status === "failed";
}
