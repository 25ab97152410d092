import { describe, expect, it } from "vitest";
import { EventReader, type ServerEvent } from "./sse.js";
import { seeded } from "./testing/random.js";

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

  it("reads how long the server asks to wait, and nothing else for it", () => {
    const reader = new EventReader();
    reader.feed(bytes("retry: 2500\nretry: soon\nretry: -1\n"));
    expect(reader.retryMs).toBe(2_500);
  });

  it("reads any stream the same, however it is split", () => {
    const random = seeded(7);
    const parts = [
      "data: ä\n",
      "data:\n",
      "\r\n",
      "\n",
      "\r",
      "id: s:4\n",
      "event: x\r",
      ": 🏛️\n",
      "retry: 9\r\n",
      "data",
    ];
    for (let round = 0; round < 100; round += 1) {
      const stream = bytes(Array.from({ length: 14 }, () => parts[Math.floor(random() * parts.length)]).join(""));
      const whole = readAll([stream]);
      for (let at = 1; at < stream.length; at += 1) {
        expect(readAll([stream.slice(0, at), stream.slice(at)]), `round ${round}, split at ${at}`).toEqual(whole);
      }
    }
  });

  it("keeps back an event whose blank line has not come", () => {
    expect(readAll([bytes("data: half\n")])).toEqual([]);
  });
});
