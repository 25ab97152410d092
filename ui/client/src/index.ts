/**
 * Streamed answers of a Narthex gateway, which belong to the server and not to the connection that asked for them.
 *
 * @packageDocumentation
 */
export type { RetryOptions } from "./backoff.js";
export { type Cached, type CacheOptions, StoredCache, type StreamCache, type TextStore } from "./cache/cache.js";
export { type IndexedDbOptions, indexedDbCache } from "./cache/indexed-db.js";
export { memoryCache } from "./cache/memory.js";
export { type WebStorageOptions, webStorageCache } from "./cache/web-storage.js";
export { type ChatDelta, chatDeltas } from "./chat.js";
export { type ReadOptions, StreamController, type StreamState } from "./controller.js";
export type { StreamEvent } from "./events.js";
export { type ClientCode, errorIn, errorOf, type FailureFacts, StreamError } from "./failures.js";
export type { GateOptions } from "./gate.js";
export { hasEnded, type OnDisconnect, type StreamProgress, type StreamReport, type StreamStatus } from "./report.js";
export { EventReader, type ServerEvent } from "./sse.js";
export { type AttachOptions, newId, type StartOptions, Streams, type StreamsOptions } from "./streams.js";
