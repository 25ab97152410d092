import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { compressed } from "./build/compressed.ts";
import { earlyTheme } from "./build/early-theme.ts";
import { preloadedFonts } from "./build/preloaded-fonts.ts";

/** Where the gateway (or `npm run mock`) listens while the dashboard is developed. */
const gateway = process.env.NARTHEX_URL ?? "http://127.0.0.1:8484";

/** What the first page shares with later ones is one file: many small ones compress worse. */
const FIRST_PAGE =
  /src\/(?:lib\/(?!.*snippets|time|money|files)|playground|shell|components\/(?:button|keys|hints))|node_modules\/(?:react|react-dom|scheduler|lucide-react|@tanstack)\//;

export default defineConfig({
  plugins: [react(), tailwindcss(), earlyTheme(), preloadedFonts(), compressed()],
  resolve: {
    alias: {
      "@narthex/client": fileURLToPath(new URL("./client/src/index.ts", import.meta.url)),
      "@": fileURLToPath(new URL("./src", import.meta.url)),
    },
  },
  build: {
    outDir: "../src/narthex/dashboard/dist",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: { codeSplitting: { groups: [{ name: "shared", test: FIRST_PAGE, minShareCount: 2 }] } },
    },
  },
  server: {
    host: "127.0.0.1",
    proxy: Object.fromEntries(
      ["/api", "/v1", "/health", "/docs", "/metrics", "/openapi.json"].map((path) => [path, { target: gateway }]),
    ),
  },
  test: { environment: "node", include: ["{src,client/src}/**/*.test.{ts,tsx}"] },
});
