import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from "@tanstack/react-router";
import { cacheAddressIn } from "@/cache/search";
import { LogoMark } from "@/components/logo";
import { ledgerAddressIn } from "@/ledger/search";
import { PlaygroundPage } from "@/playground/playground-page";
import { Shell } from "@/shell/shell";
import { addressIn } from "@/usage/search";

function NotFound() {
  return (
    <div className="flex h-full flex-col items-center justify-center gap-1 p-8 text-center">
      <LogoMark className="mb-4 size-9 text-ink" />
      <h1 className="text-title font-semibold">There is no such page</h1>
      <Link to="/" className="text-accent-text underline underline-offset-2">
        To the playground
      </Link>
    </div>
  );
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const playground = createRoute({
  getParentRoute: () => root,
  path: "/",
  validateSearch: ({ stream }: Record<string, unknown>): { stream?: string } =>
    typeof stream === "string" && /^[A-Za-z0-9_-]{8,128}$/.test(stream) ? { stream } : {},
  component: PlaygroundPage,
});

const overview = createRoute({
  getParentRoute: () => root,
  path: "/overview",
  validateSearch: (search: Record<string, unknown>): { q?: string } =>
    search.q === undefined || search.q === "" ? {} : { q: String(search.q) },
  component: lazyRouteComponent(() => import("@/overview/overview-page")),
});

const workspaces = createRoute({
  getParentRoute: () => root,
  path: "/workspaces",
  component: lazyRouteComponent(() => import("@/workspaces/workspaces-page")),
});

const keys = createRoute({
  getParentRoute: () => root,
  path: "/keys",
  component: lazyRouteComponent(() => import("@/keys/keys-page")),
});

const members = createRoute({
  getParentRoute: () => root,
  path: "/members",
  component: lazyRouteComponent(() => import("@/members/members-page")),
});

const roles = createRoute({
  getParentRoute: () => root,
  path: "/roles",
  component: lazyRouteComponent(() => import("@/roles/roles-page")),
});

const invitation = createRoute({
  getParentRoute: () => root,
  path: "/invitation",
  component: lazyRouteComponent(() => import("@/invitation/invitation-page")),
});

const usage = createRoute({
  getParentRoute: () => root,
  path: "/usage",
  validateSearch: addressIn,
  component: lazyRouteComponent(() => import("@/usage/usage-page")),
});

const ledger = createRoute({
  getParentRoute: () => root,
  path: "/ledger",
  validateSearch: ledgerAddressIn,
  component: lazyRouteComponent(() => import("@/ledger/ledger-page")),
});

const cache = createRoute({
  getParentRoute: () => root,
  path: "/cache",
  validateSearch: cacheAddressIn,
  component: lazyRouteComponent(() => import("@/cache/cache-page")),
});

const limits = createRoute({
  getParentRoute: () => root,
  path: "/limits",
  component: lazyRouteComponent(() => import("@/limits/limits-page")),
});

const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  component: lazyRouteComponent(() => import("@/audit/audit-page")),
});

const account = createRoute({
  getParentRoute: () => root,
  path: "/account",
  component: lazyRouteComponent(() => import("@/account/account-page")),
});

/** The client's routes; `src/narthex/dashboard/files.py` answers the same paths with the page. */
export const router = createRouter({
  routeTree: root.addChildren([
    playground,
    overview,
    workspaces,
    members,
    roles,
    invitation,
    keys,
    limits,
    usage,
    ledger,
    cache,
    audit,
    account,
  ]),
  defaultPreload: "intent",
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
