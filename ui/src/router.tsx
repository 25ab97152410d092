import { createRootRoute, createRoute, createRouter, Link, lazyRouteComponent } from "@tanstack/react-router";
import { LogoMark } from "@/components/logo";
import { PlaygroundPage } from "@/playground/playground-page";
import { Shell } from "@/shell/shell";

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

/** The client's routes; `src/narthex/dashboard/files.py` answers the same paths with the page. */
export const router = createRouter({
  routeTree: root.addChildren([playground, overview]),
  defaultPreload: "intent",
  scrollRestoration: false,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
