import { describe, expect, test } from "vitest";
import { aWorkspace } from "@/control/testing";
import { draftOf, NEW_DRAFT, problemsOf, slugOf, wishOf } from "./draft";

test("a slug is made of the letters and digits of a name", () => {
  expect(slugOf("Größe & Maß, Team 7")).toBe("gro-e-ma-team-7");
  expect(slugOf("  ---  ")).toBe("");
  expect(slugOf("x".repeat(80))).toHaveLength(63);
});

describe("problems", () => {
  test("there are none with a name alone", () => {
    expect(problemsOf({ ...NEW_DRAFT, slug: "research" })).toEqual({});
  });
  test("a slug is needed, and so are days that can be counted", () => {
    const problems = problemsOf({ ...NEW_DRAFT, slug: "Research", retentionDays: "0" });
    expect(Object.keys(problems)).toEqual(["slug", "retentionDays"]);
    expect(problemsOf({ ...NEW_DRAFT, slug: "a", retentionDays: "4000" }).retentionDays).toContain("3,650");
  });
});

test("what is read from a workspace is what is written back to it", () => {
  const workspace = aWorkspace({ slug: "a", name: "A", description: "D" });
  workspace.settings.allowed_models = ["openai/*", "local/smollm2"];
  workspace.settings.retention_days = 30;
  const { currency: _, default_provider: __, ...settings } = workspace.settings;
  expect(wishOf(draftOf(workspace))).toEqual({
    slug: "a",
    name: "A",
    description: "D",
    is_template: false,
    settings,
  });
});

test("without a name the slug is the name, and a template is named where one was chosen", () => {
  const wish = wishOf({ ...NEW_DRAFT, slug: "b", templateId: "ws_t" });
  expect(wish).toMatchObject({ name: "b", template_id: "ws_t", settings: { retention_days: null } });
  expect(wishOf({ ...NEW_DRAFT, slug: "b" })).not.toHaveProperty("template_id");
});
