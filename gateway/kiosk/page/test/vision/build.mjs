/**
 * Builds the page's vision alone: `node test/vision/build.mjs node` for comparisons on a pipe,
 * `browser` for measurements in a browser. Results lie below node_modules.
 */

import { build } from "vite";

const INTO = { node: "node_modules/.vision-peer", browser: "node_modules/.vision-bench" };
const target = process.argv[2];

await build({
  configFile: false,
  logLevel: "error",
  base: "./",
  build: {
    outDir: INTO[target],
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    ...(target === "node"
      ? { ssr: "test/vision/peer.ts" }
      : {
          rolldownOptions: {
            input: "test/vision/bench.ts",
            output: { entryFileNames: "[name].js", assetFileNames: "[name][extname]" },
          },
        }),
  },
});
