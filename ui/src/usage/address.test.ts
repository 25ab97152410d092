import { expect, test } from "vitest";
import { entriesOf, narrowed, toldApartBy, widened } from "./address";
import { addressIn } from "./search";

test("an address is read, and what is none of it is left out", () => {
  expect(
    addressIn({ span: "7d", by: "key", measure: "tokens", filters: { model: "a/b", colour: "red", key: 5 }, x: 1 }),
  ).toEqual({ span: "7d", by: "key", measure: "tokens", filters: { model: "a/b" } });
  expect(addressIn({ span: "9y", by: "mood", measure: "joy", filters: "no" })).toEqual({});
  expect(addressIn({ filters: {} })).toEqual({ filters: {} });
});

test("picking a value narrows to it and asks the next question", () => {
  const one = narrowed({ span: "7d" }, "workspace", "ws_a");
  expect(one).toEqual({ span: "7d", by: "model", filters: { workspace: "ws_a" } });
  const two = narrowed(one, "model", "a/b");
  expect(two).toMatchObject({ by: "key", filters: { workspace: "ws_a", model: "a/b" } });
});

test("taking a filter away leaves the others", () => {
  const both = { filters: { workspace: "ws_a", model: "a/b" } };
  expect(widened(both, "model")).toEqual({ filters: { workspace: "ws_a" } });
  expect(widened(widened(both, "model"), "workspace")).toEqual({ filters: {} });
});

test("what is told apart is not narrowed to one value", () => {
  expect(toldApartBy({ filters: { workspace: "ws_a" } }, "workspace")).toEqual({ filters: {}, by: "workspace" });
});

test("the entries of a row are those of all that is shown, and of its value", () => {
  const address = { span: "7d", by: "key", filters: { workspace: "ws_a" } } as const;
  expect(entriesOf(address)).toEqual({ span: "7d", filters: { workspace: "ws_a" } });
  expect(entriesOf(address, "key", "key_a")).toEqual({ span: "7d", filters: { workspace: "ws_a", key: "key_a" } });
});
