import { expect, test } from "vitest";
import { currentOf, inUse } from "./current";
import { aWorkspace } from "./testing";

const first = aWorkspace({ id: "ws_a" });
const standard = aWorkspace({ id: "ws_default" });
const away = aWorkspace({ id: "ws_away", archived_at: 5 });
const template = aWorkspace({ id: "ws_template", is_template: true });
const all = [first, standard, away, template];

test("the chosen workspace is the current one", () => {
  expect(currentOf(all, "ws_a")).toBe(first);
});

test("one that was put away, is a template or is gone gives way to the default one", () => {
  for (const chosen of ["ws_away", "ws_template", "ws_gone", null]) expect(currentOf(all, chosen)).toBe(standard);
});

test("without a choice it is the one that the server knows as one's own", () => {
  expect(currentOf(all, null, "ws_a")).toBe(first);
});

test("without the default one it is the first, and without any there is none", () => {
  expect(currentOf([away, first], null)).toBe(first);
  expect(currentOf([away, template], null)).toBeUndefined();
});

test("work is done in neither templates nor what was put away", () => {
  expect(inUse(all)).toEqual([first, standard]);
});
