import { createHash } from "node:crypto";
import type { Plugin } from "vite";

/**
 * Sets the chosen theme before the first paint, so that nothing flashes.
 *
 * The application's own scripts are modules and run too late; an inline script would need a hole in the content
 * security policy. Hence a tiny classic script of its own, hashed like every other asset.
 */
const SCRIPT = `try{var t=localStorage.getItem("narthex.theme");if(t==="light"||t==="dark")document.documentElement.dataset.theme=t}catch{}\n`;

export function earlyTheme(): Plugin {
  const hash = createHash("sha256").update(SCRIPT).digest("base64url").slice(0, 8);
  const fileName = `assets/theme-${hash}.js`;
  return {
    name: "narthex-early-theme",
    generateBundle() {
      this.emitFile({ type: "asset", fileName, source: SCRIPT });
    },
    configureServer(server) {
      server.middlewares.use(`/${fileName}`, (_request, response) => {
        response.setHeader("content-type", "text/javascript");
        response.end(SCRIPT);
      });
    },
    transformIndexHtml: () => [{ tag: "script", attrs: { src: `/${fileName}` }, injectTo: "head-prepend" }],
  };
}
