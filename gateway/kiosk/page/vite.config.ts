import { defineConfig } from "vitest/config";

import { bgvModule } from "./bgv-module.ts";
import { receiptChecks } from "./receipt-checks.ts";

/** Assets have fixed names without hashes: `release.json` pins each by its SHA-256. */
export default defineConfig({
  base: "./",
  plugins: [bgvModule(), receiptChecks()],
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
  worker: {
    format: "es",
    plugins: () => [receiptChecks()],
    rolldownOptions: {
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
      },
    },
  },
  test: { include: ["test/**/*.test.ts"] },
});
