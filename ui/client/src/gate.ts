import { clientError, errorOf, type StreamError } from "./failures.js";

/** Where the gateway is, and how it is asked. */
export interface GateOptions {
  /** Address of the gateway, without a slash at its end; by default the page's own origin. */
  url?: string;
  /** Sent with every request, the key among them; asked for each time, since it may change. */
  headers?: Record<string, string> | (() => Record<string, string>);
  /** In place of the global `fetch`. */
  fetch?: typeof fetch;
}

/** Asks the gateway. */
export class Gate {
  constructor(private readonly options: GateOptions) {}

  /** Sends a request; a refusal is an answer too.
   *
   * @throws StreamError `server_unreachable` when there is no answer; the signal's reason when it was aborted.
   */
  async ask(path: string, init: RequestInit): Promise<Response> {
    const { url = "", headers = {}, fetch: send = globalThis.fetch } = this.options;
    const own = typeof headers === "function" ? headers() : headers;
    try {
      return await send(`${url}${path}`, { ...init, headers: { ...own, ...(init.headers as Record<string, string>) } });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw clientError("server_unreachable", "The server does not answer.");
    }
  }

  /** Asks for a value.
   *
   * @throws StreamError also when the server refuses.
   */
  async value<T>(method: "GET" | "POST" | "DELETE", path: string): Promise<T> {
    const response = await this.ask(path, { method });
    if (!response.ok) throw await errorOf(response);
    try {
      return (await response.json()) as T;
    } catch {
      throw clientError("server_unreachable", "The server's answer broke off.");
    }
  }
}

/** Whether it helps to ask again later. */
export function isPassing({ code, status = 0 }: StreamError): boolean {
  return code === "server_unreachable" || status === 408 || status === 429 || status >= 500;
}

/** How long a refusal asks to wait, in milliseconds. */
export function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
