import "./styles/main.css";
import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { problemIn } from "@/account/auth";
import { HintLayer } from "@/components/hints";
import { signInWanted } from "@/lib/credentials";
import { prefetch, queryClient } from "@/lib/queries";
import { session } from "@/playground/session";
import { router } from "@/router";

if (problemIn(window.location.search)) signInWanted.set(true);
prefetch();
window.addEventListener("pagehide", session.keep);

const root = document.getElementById("root");
if (!root) throw new Error("The page has no #root.");

createRoot(root).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
        <HintLayer />
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
);
