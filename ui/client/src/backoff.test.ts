import { expect, it } from "vitest";
import { Backoff, RETRY, wait } from "./backoff.js";

const OPTIONS = { ...RETRY, baseMs: 100, capMs: 1_000, attempts: 6, startAttempts: 1 };

it("waits longer each time, up to a bound, and gives up in the end", () => {
  const backoff = new Backoff(OPTIONS, () => 1);
  expect([1, 2, 3, 4, 5, 6, 7].map(() => backoff.next(true))).toEqual([100, 200, 400, 800, 1_000, 1_000, undefined]);
  backoff.reset();
  expect(backoff.next(true)).toBe(100);
  expect(backoff.next(false)).toBeUndefined();
});

it("spreads those who wait over half of the bound", () => {
  expect(new Backoff(OPTIONS, () => 0).next(true)).toBe(50);
  expect(new Backoff(OPTIONS, () => 0.5).next(true)).toBe(75);
});

it("begins with what the server asks for", () => {
  const backoff = new Backoff(OPTIONS, () => 1);
  backoff.serverMs = 300;
  expect([backoff.next(true), backoff.next(true), backoff.next(true)]).toEqual([300, 600, 1_000]);
});

it("waits no longer than until the signal is aborted", async () => {
  const abort = new AbortController();
  const waiting = wait(1e8, abort.signal);
  abort.abort();
  await waiting;
  await wait(1e8, abort.signal);
});
