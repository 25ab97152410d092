import {
  Activity,
  ChartColumn,
  CircleUser,
  DatabaseZap,
  Gauge,
  KeyRound,
  Layers,
  type LucideIcon,
  MessageSquare,
  Rows3,
  ScrollText,
  Users,
} from "lucide-react";

export interface PageLink {
  to:
    | "/"
    | "/overview"
    | "/workspaces"
    | "/members"
    | "/keys"
    | "/limits"
    | "/usage"
    | "/ledger"
    | "/cache"
    | "/audit"
    | "/account";
  name: string;
  Icon: LucideIcon;
}

/** Where models are used and looked at. */
export const PAGES: readonly PageLink[] = [
  { to: "/", name: "Playground", Icon: MessageSquare },
  { to: "/overview", name: "Overview", Icon: Activity },
];

/** Who may use them, how much, and what it cost. */
export const CONTROL_PAGES: readonly PageLink[] = [
  { to: "/usage", name: "Usage", Icon: ChartColumn },
  { to: "/ledger", name: "Ledger", Icon: Rows3 },
  { to: "/cache", name: "Cache", Icon: DatabaseZap },
  { to: "/keys", name: "Keys", Icon: KeyRound },
  { to: "/limits", name: "Limits", Icon: Gauge },
  { to: "/members", name: "Members", Icon: Users },
  { to: "/workspaces", name: "Workspaces", Icon: Layers },
  { to: "/audit", name: "Audit", Icon: ScrollText },
  { to: "/account", name: "My account", Icon: CircleUser },
];
