/** Runs a driver in node, with the page's own WebAssembly and checks: `node run.mjs NAME`. */

import { fileURLToPath } from "node:url";

import { runnerImport } from "vite";

const root = fileURLToPath(new URL("../..", import.meta.url));
const load = async (file, plugins) =>
  (await runnerImport(`${root}/${file}`, { root, plugins, logLevel: "error" })).module;

const { compile } = await load("bgv-module.ts", []);
compile();
const { receiptChecks } = await load("receipt-checks.ts", []);
const { run } = await load(`test/drive/${process.argv[2]}.ts`, [receiptChecks()]);
await run();
