import { authHeaders } from "@/lib/credentials";
import { Failure, failureOf, unreachable } from "@/lib/failures";

export interface CallOptions {
  method?: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  body?: unknown;
  /** What was read, so that nothing is done if it has changed since. */
  version?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** A part of a list, as every list of the control API is told. */
export interface Part<T> {
  data: T[];
  has_more: boolean;
  next: string | null;
}

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>;

/** A path with its query: what is not given is left out, and a list is given once for each of its members. */
export function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue;
    // What stands in a list is meant, be it empty.
    for (const one of Array.isArray(value) ? value : [value]) search.append(name, String(one));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

/** Calls the control API; what is not JSON of a good answer is a failure. */
export async function call<T>(path: string, options: CallOptions = {}): Promise<T> {
  const response = await ask(path, options);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

/** Calls for a file; returns it with the name that the server gives it. */
export async function callForFile(path: string, name: string): Promise<File> {
  const response = await ask(path, {});
  const said = /filename="([^"/\\]+)"/.exec(response.headers.get("content-disposition") ?? "");
  return new File([await response.blob()], said?.[1] ?? name);
}

async function ask(path: string, { method = "GET", body, version, signal }: CallOptions): Promise<Response> {
  const headers: Record<string, string> = authHeaders();
  if (body !== undefined) headers["content-type"] = "application/json";
  if (version !== undefined) headers["if-match"] = `"${version}"`;
  const init: RequestInit = { method, headers, signal: signal ?? null };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(path, init).catch((error: unknown) => {
    throw signal?.aborted ? error : unreachable();
  });
  if (!response.ok) throw await failureOf(response);
  return response;
}

const PART = 100;
const PARTS_AT_MOST = 20;

/** Reads a list to its end; one that is longer than two thousand is told as far as that. */
export async function callForAll<T>(path: string, query: Query, signal?: AbortSignal): Promise<T[]> {
  const found: T[] = [];
  let after: string | null = null;
  for (let part = 0; part < PARTS_AT_MOST; part++) {
    const told: Part<T> = await call<Part<T>>(withQuery(path, { ...query, limit: PART, after }), { signal });
    found.push(...told.data);
    if (!told.has_more || told.next === null) break;
    after = told.next;
  }
  return found;
}

/** What is shown of anything that was thrown. */
export function factsOf(error: unknown) {
  return (error instanceof Failure ? error : unreachable()).facts;
}
