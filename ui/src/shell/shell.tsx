import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { BookOpen, Menu, Search } from "lucide-react";
import { lazy, Suspense } from "react";
import { IconButton } from "@/components/button";
import { HealthDot } from "@/components/health";
import { Keys } from "@/components/keys";
import { LogoMark, Wordmark } from "@/components/logo";
import { OnceOpened } from "@/components/once-opened";
import { INVITATION_PATH } from "@/invitation/holding";
import type { HealthStatus, SystemStatus } from "@/lib/api";
import { signInWanted } from "@/lib/credentials";
import { useStore } from "@/lib/external-store";
import { useStatus } from "@/lib/queries";
import { paletteOpen } from "./overlays";
import { CONTROL_PAGES, PAGES, type PageLink } from "./pages";
import { useShortcuts } from "./shortcuts";
import { ThemeSwitch } from "./theme-switch";

const SignIn = lazy(() => import("./sign-in"));
const Palette = lazy(() => import("./palette"));
const WorkspaceSwitch = lazy(() => import("./workspace-switch"));

/** What stands around every page. */
export function Shell() {
  useShortcuts();
  const wanted = useStore(signInWanted);
  // Whoever holds an invitation is nobody here yet.
  const invited = useLocation({ select: ({ pathname }) => pathname === INVITATION_PATH });
  if (invited) return <Outlet />;
  if (!wanted) return <Frame />;
  return (
    <Suspense fallback={null}>
      <SignIn />
    </Suspense>
  );
}

function Frame() {
  return (
    <div className="flex h-full max-md:flex-col">
      <a
        href="#page"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-m focus:bg-raised focus:px-3 focus:py-2"
      >
        Skip to the page
      </a>
      <SideBar />
      <TopBar />
      <main
        id="page"
        tabIndex={-1}
        className="relative min-h-0 min-w-0 flex-1 bg-floor outline-none md:my-2 md:mr-2 md:rounded-xl md:border md:border-line md:shadow-1"
      >
        <Outlet />
      </main>
      <OnceOpened open={useStore(paletteOpen)}>
        <Palette />
      </OnceOpened>
    </div>
  );
}

function SideBar() {
  return (
    <aside className="flex w-[13.5rem] shrink-0 flex-col px-3 py-4 max-md:hidden">
      <Link to="/" className="mx-2 mt-0.5 self-start rounded-s" aria-label="Narthex">
        <Wordmark />
      </Link>
      <button
        type="button"
        onClick={() => paletteOpen.set(true)}
        className="mt-5 flex h-8 items-center justify-between rounded-m border border-line bg-floor pr-1.5 pl-2.5 text-body text-ink-3 transition-colors hover:border-line-strong hover:text-ink"
      >
        <span className="flex items-center gap-2.5">
          <Search className="size-4" aria-hidden="true" />
          Search
        </span>
        <Keys keys={["Mod", "K"]} />
      </button>
      <nav aria-label="Pages" className="mt-4 flex flex-col gap-0.5">
        {PAGES.map((page) => (
          <SideLink key={page.to} page={page} />
        ))}
        <a
          href="/docs"
          target="_blank"
          rel="noopener"
          className="flex h-8 items-center gap-2.5 rounded-m px-2.5 text-body font-medium text-ink-2 transition-colors hover:bg-hover hover:text-ink"
        >
          <BookOpen className="size-4 text-ink-3" aria-hidden="true" />
          API reference
        </a>
        <div className="mt-4 mb-1 border-t border-line pt-3">
          <div className="min-h-9">
            <Switch />
          </div>
        </div>
        {CONTROL_PAGES.map((page) => (
          <SideLink key={page.to} page={page} />
        ))}
      </nav>
      <div className="mt-auto flex flex-col items-start gap-3.5 px-2">
        <ServerLine />
        <ThemeSwitch />
      </div>
    </aside>
  );
}

/** Which workspace the page is about, where it is about one. */
function Switch({ compact = false }: { compact?: boolean }) {
  const path = useLocation({ select: ({ pathname }) => pathname });
  if (!CONTROL_PAGES.some(({ to }) => to === path)) return null;
  return (
    <Suspense fallback={null}>
      <WorkspaceSwitch compact={compact} />
    </Suspense>
  );
}

function SideLink({ page: { to, name, Icon } }: { page: PageLink }) {
  return (
    <Link
      to={to}
      className="flex h-8 items-center gap-2.5 rounded-m px-2.5 text-body font-medium text-ink-2 transition-colors hover:bg-hover hover:text-ink aria-[current=page]:bg-press aria-[current=page]:text-ink"
    >
      <Icon className="size-4 text-ink-3" aria-hidden="true" />
      {name}
    </Link>
  );
}

/** On a phone the pages stand in the top bar. */
function TopBar() {
  return (
    <header className="flex h-13 shrink-0 items-center gap-1 px-3 md:hidden">
      <Link to="/" aria-label="Narthex" className="mr-1.5 rounded-s p-1 text-ink">
        <LogoMark className="size-[1.375rem]" />
      </Link>
      <nav aria-label="Pages" className="flex gap-0.5">
        {PAGES.map(({ to, name }) => (
          <Link
            key={to}
            to={to}
            className="flex h-8 items-center rounded-m px-2.5 text-body font-medium text-ink-2 aria-[current=page]:bg-press aria-[current=page]:text-ink"
          >
            {name}
          </Link>
        ))}
      </nav>
      <span className="ml-auto flex min-w-0">
        <Switch compact />
      </span>
      <IconButton label="Commands" onClick={() => paletteOpen.set(true)}>
        <Menu aria-hidden="true" />
      </IconButton>
    </header>
  );
}

/** The server's health as one of the words used for models and providers. */
export function healthOf(status: SystemStatus | undefined, failed: boolean): HealthStatus {
  if (failed) return "down";
  if (!status) return "unknown";
  if (status.status === "stopping") return "loading";
  return status.status === "degraded" ? "degraded" : "ok";
}

function ServerLine() {
  const { data, isError } = useStatus();
  return (
    <div className="flex w-full items-center gap-2 text-small text-ink-3">
      <HealthDot status={healthOf(data, isError)} />
      <span className="truncate tabular">
        {isError ? "No connection" : (data?.address.replace(/^https?:\/\//, "") ?? "Connecting…")}
      </span>
      {data && !isError && <span className="ml-auto tabular">{data.version}</span>}
    </div>
  );
}
