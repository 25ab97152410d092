import { wordsIn } from "@/components/fields";
import type { WorkspaceWish } from "@/control/directory";
import type { Capture, Workspace } from "@/control/types";

/** A workspace as its form holds it. */
export interface Draft {
  name: string;
  slug: string;
  description: string;
  templateId: string;
  isTemplate: boolean;
  defaultModel: string;
  allowedModels: string;
  caching: boolean;
  capture: Capture;
  retentionDays: string;
}

export const NEW_DRAFT: Draft = {
  name: "",
  slug: "",
  description: "",
  templateId: "",
  isTemplate: false,
  defaultModel: "",
  allowedModels: "",
  caching: true,
  capture: "metadata",
  retentionDays: "",
};

/** What a template or a workspace that is edited puts into the form. */
export function settingsOf({ settings }: Workspace): Partial<Draft> {
  return {
    defaultModel: settings.default_model,
    allowedModels: settings.allowed_models.join("\n"),
    caching: settings.caching,
    capture: settings.capture,
    retentionDays: settings.retention_days === null ? "" : String(settings.retention_days),
  };
}

export function draftOf(workspace: Workspace): Draft {
  const { name, slug, description, is_template: isTemplate } = workspace;
  return { ...NEW_DRAFT, name, slug, description, isTemplate, ...settingsOf(workspace) };
}

/** A short name for addresses and files, from what people call it. */
export function slugOf(name: string): string {
  return name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-+|-+$/g, "")
    .slice(0, 63)
    .replace(/-+$/, "");
}

const MOST_DAYS = 3_650;

/** What will not do, by the name of the field. */
export function problemsOf(draft: Draft): Partial<Record<keyof Draft, string>> {
  const problems: Partial<Record<keyof Draft, string>> = {};
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(draft.slug)) {
    problems.slug = "Small letters, digits and hyphens, up to 63, beginning with a letter or a digit.";
  }
  const days = draft.retentionDays.trim();
  if (days !== "" && !(/^\d{1,4}$/.test(days) && Number(days) >= 1 && Number(days) <= MOST_DAYS)) {
    problems.retentionDays = "A whole number of days, from 1 to 3,650, or nothing for the server's own.";
  }
  return problems;
}

export function wishOf(draft: Draft): WorkspaceWish {
  const days = draft.retentionDays.trim();
  return {
    slug: draft.slug,
    name: draft.name.trim() || draft.slug,
    description: draft.description.trim(),
    is_template: draft.isTemplate,
    settings: {
      default_model: draft.defaultModel.trim(),
      allowed_models: wordsIn(draft.allowedModels),
      caching: draft.caching,
      capture: draft.capture,
      retention_days: days === "" ? null : Number(days),
    },
    ...(draft.templateId ? { template_id: draft.templateId } : {}),
  };
}
