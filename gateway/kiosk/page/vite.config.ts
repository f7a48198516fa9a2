import { defineConfig } from "vitest/config";

import { receiptChecks } from "./receipt-checks";

/** Assets have fixed names without hashes: `release.json` pins each by its SHA-256. */
export default defineConfig({
  base: "./",
  plugins: [receiptChecks()],
  build: {
    outDir: "../assets",
    emptyOutDir: true,
    target: "es2022",
    sourcemap: false,
    modulePreload: false,
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  worker: { format: "es" },
  test: { include: ["test/**/*.test.ts"] },
});
