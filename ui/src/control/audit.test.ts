import { expect, test } from "vitest";
import { auditExportPath } from "./audit";

test("an export holds what is filtered, and nothing of filters that are not set", () => {
  const filters = { action: "key", outcome: "", actor: "", workspaceId: "ws_a", since: 5 };
  expect(auditExportPath(filters)).toBe("/api/audit/export?action=key&workspace_id=ws_a&since=5");
});
