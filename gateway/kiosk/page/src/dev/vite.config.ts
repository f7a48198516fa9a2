import { defineConfig } from "vite";

/** The screens with invented ports, to be looked at: `npx vite -c src/dev/vite.config.ts`, then
 * `/?at=consent&customer=zh`. It is no part of the page that is served at a counter. */
export default defineConfig({
  root: "src/dev",
  base: "./",
  build: { outDir: "../../../screens", emptyOutDir: true, modulePreload: false },
});
