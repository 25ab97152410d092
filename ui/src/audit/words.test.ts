import { expect, test } from "vitest";
import { actorText, detailText } from "./words";

test("who did something is told by name, in words, or by ID", () => {
  const names = new Map([["usr_a", "Ann"]]);
  expect(actorText("usr_a", names)).toBe("Ann");
  expect(actorText("cli", names)).toBe("Command line");
  expect(actorText("key_gone", names)).toBe("key_gone");
});

test("details stand in one line", () => {
  expect(detailText({ permission: "keys:write", fields: ["name"] })).toBe('permission: keys:write, fields: ["name"]');
  expect(detailText({ organisation_id: "org_a", workspace_id: "ws_a", measure: "tokens" })).toBe("measure: tokens");
  expect(detailText({})).toBe("");
});
