import type { Plugin } from "vite";

/** The fonts that the first page is set in: without a hint the browser finds them only after the style sheet. */
const FIRST = /(?:inter-latin-opsz|jetbrains-mono-latin-wght)-normal-.*\.woff2$/;

export function preloadedFonts(): Plugin {
  return {
    name: "narthex-preloaded-fonts",
    transformIndexHtml: {
      order: "post",
      handler: (_html, { bundle }) =>
        Object.keys(bundle ?? {})
          .filter((name) => FIRST.test(name))
          .map((name) => ({
            tag: "link",
            attrs: { rel: "preload", as: "font", type: "font/woff2", href: `/${name}`, crossorigin: true },
            injectTo: "head" as const,
          })),
    },
  };
}
