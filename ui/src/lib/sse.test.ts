import { describe, expect, it } from "vitest";
import { EventReader, readEvents, type ServerEvent } from "./sse";

const bytes = (text: string) => new TextEncoder().encode(text);

function readAll(pieces: Uint8Array[]): ServerEvent[] {
  const reader = new EventReader();
  return pieces.flatMap((piece) => reader.feed(piece));
}

const STREAM = bytes(
  "\uFEFF: a remark\n\n" +
    'data: {"text":"Grüße, 世界 🏛️"}\n\n' +
    "event: delta\r\ndata:no space\r\nid: 7\r\n\r\n" +
    "data: one\rdata: two\r\rdata\n\n" +
    "retry: 10\nunknown: x\n\n" +
    "data:  kept space\n\nevent: lonely\n\ndata: [DONE]\n\n",
);

const EVENTS: ServerEvent[] = [
  { name: "message", data: '{"text":"Grüße, 世界 🏛️"}', id: "" },
  { name: "delta", data: "no space", id: "7" },
  { name: "message", data: "one\ntwo", id: "7" },
  { name: "message", data: "", id: "7" },
  { name: "message", data: " kept space", id: "7" },
  { name: "message", data: "[DONE]", id: "7" },
];

describe("EventReader", () => {
  it("reads the whole stream at once", () => {
    expect(readAll([STREAM])).toEqual(EVENTS);
  });

  it("reads the same events wherever the bytes are split in two", () => {
    for (let at = 0; at <= STREAM.length; at += 1) {
      expect(readAll([STREAM.slice(0, at), STREAM.slice(at)]), `split at ${at}`).toEqual(EVENTS);
    }
  });

  it("reads the same events wherever the bytes are split in three", () => {
    for (let from = 0; from <= STREAM.length; from += 3) {
      for (let to = from; to <= STREAM.length; to += 5) {
        expect(readAll([STREAM.slice(0, from), STREAM.slice(from, to), STREAM.slice(to)])).toEqual(EVENTS);
      }
    }
  });

  it("reads the same events byte by byte", () => {
    expect(readAll(Array.from(STREAM, (byte) => Uint8Array.of(byte)))).toEqual(EVENTS);
  });

  it("keeps back an event whose blank line has not come", () => {
    expect(readAll([bytes("data: half\n")])).toEqual([]);
  });
});

describe("readEvents", () => {
  it("yields what a body holds and lets the body go when the caller leaves", async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(STREAM),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const event of readEvents(body)) {
      expect(event).toEqual(EVENTS[0]);
      break;
    }
    expect(cancelled).toBe(true);
  });

  it("ends when the body ends", async () => {
    const seen: ServerEvent[] = [];
    for await (const event of readEvents(new Response(STREAM).body as ReadableStream<Uint8Array>)) seen.push(event);
    expect(seen).toEqual(EVENTS);
  });
});
