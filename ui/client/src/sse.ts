/** One event of a server-sent event stream. */
export interface ServerEvent {
  /** `message` unless the server named it. */
  name: string;
  data: string;
  /** The last ID that the stream has told, as browsers count it; empty before the first. */
  id: string;
}

/**
 * Reads server-sent events from bytes that may be split anywhere: inside a character, a line ending, a field or an event.
 *
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventReader {
  /** How long the server asks readers to wait before they come back, in milliseconds, if it did. */
  retryMs: number | undefined;
  private readonly decoder = new TextDecoder("utf-8");
  private pending = "";
  private name = "";
  private data: string[] = [];
  private id = "";

  /** Returns the events that `bytes` completes, in order. An event is complete when its blank line is. */
  feed(bytes: Uint8Array): ServerEvent[] {
    this.pending += this.decoder.decode(bytes, { stream: true });
    const events: ServerEvent[] = [];
    for (const line of this.takeLines()) {
      const event = this.readLine(line);
      if (event) events.push(event);
    }
    return events;
  }

  /** Cuts the whole lines off what is pending. A final CR is kept back, since its LF may still be on the way. */
  private takeLines(): string[] {
    const lines = this.pending.split(/\r\n|\n|\r(?!$)/);
    this.pending = lines.pop() ?? "";
    return lines;
  }

  private readLine(line: string): ServerEvent | undefined {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") this.data.push(value);
    else if (field === "event") this.name = value;
    else if (field === "id" && !value.includes("\0")) this.id = value;
    else if (field === "retry" && /^[0-9]{1,9}$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  private dispatch(): ServerEvent | undefined {
    const event = { name: this.name || "message", data: this.data.join("\n"), id: this.id };
    const empty = this.data.length === 0;
    this.name = "";
    this.data = [];
    return empty ? undefined : event;
  }
}
