import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { apiKey, authHeaders, keepApiKey, signInWanted } from "@/lib/credentials";
import { queryClient } from "@/lib/queries";
import { imageOf, problemIn, signOut, step } from "./auth";

const answer = vi.fn<(path: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => vi.stubGlobal("fetch", answer));
afterEach(() => {
  vi.unstubAllGlobals();
  answer.mockReset();
  keepApiKey(null);
  queryClient.clear();
});

test("a session is used with a header that no other site can send, a key with itself alone", () => {
  expect(authHeaders()).toEqual({ "x-narthex-csrf": "1" });
  keepApiKey("nx-1");
  expect(authHeaders()).toEqual({ authorization: "Bearer nx-1" });
});

test("a second factor is asked for with a ticket; signing in ends with the page", async () => {
  signInWanted.set(true);
  answer.mockResolvedValueOnce(Response.json({ status: "second_factor", ticket: "t" }));
  await expect(step("/api/auth/password", {})).resolves.toBe("t");
  expect(signInWanted.get()).toBe(true);
  answer.mockResolvedValueOnce(Response.json({ status: "signed_in", ticket: null }));
  await expect(step("/api/auth/second-factor", {})).resolves.toBeNull();
  expect(signInWanted.get()).toBe(false);
});

test("a wrong password is no reason to be sent to the sign-in page", async () => {
  signInWanted.set(false);
  answer.mockResolvedValue(Response.json({ error: { message: "no", code: "sign_in_failed" } }, { status: 401 }));
  await expect(step("/api/auth/account/password", {})).rejects.toThrow("no");
  expect(signInWanted.get()).toBe(false);
});

test("signing out forgets the key of the tab, and all that was read", async () => {
  keepApiKey("nx-1");
  queryClient.setQueryData(["models"], []);
  await signOut();
  expect(apiKey.get()).toBeNull();
  expect(queryClient.getQueryData(["models"])).toBeUndefined();
  expect(signInWanted.get()).toBe(true);
  signInWanted.set(false);
});

test("what went wrong elsewhere is told", () => {
  expect(problemIn("?sign_in_problem=not+verified")).toBe("not verified");
  expect(problemIn("?q=1")).toBeUndefined();
});

test("a square is an image", () => {
  expect(imageOf('<svg a="#"/>')).toBe("data:image/svg+xml;utf8,%3Csvg%20a%3D%22%23%22%2F%3E");
});
