/** By what usage can be told apart here. */
export const DIMENSIONS = {
  model: "Model",
  provider: "Provider",
  workspace: "Workspace",
  user: "Person",
  key: "Key",
  operation: "Operation",
  tag: "Tag",
  end_user: "End user",
  status: "Outcome",
} as const;

export type Dimension = keyof typeof DIMENSIONS;
export type Step = "hour" | "day" | "week" | "month";
export type Filters = Partial<Record<Dimension, string>>;
