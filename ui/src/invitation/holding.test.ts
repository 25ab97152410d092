// @vitest-environment jsdom
import { afterEach, expect, test } from "vitest";
import { heldToken, INVITATION_PATH, letGo } from "./holding";

afterEach(letGo);

test("a token leaves the address at once, and is held until it is used", () => {
  window.history.replaceState(null, "", `${INVITATION_PATH}#nxi_secret`);
  expect(heldToken()).toBe("nxi_secret");
  expect(window.location.href).not.toContain("nxi_secret");
  expect(heldToken()).toBe("nxi_secret");
  letGo();
  expect(heldToken()).toBeNull();
});
