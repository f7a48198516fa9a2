/** Runs `peer.ts` in node, with the module compiled from its sources. */

import { fileURLToPath } from "node:url";

import { runnerImport } from "vite";

const root = fileURLToPath(new URL("../..", import.meta.url));
const load = async (file) => (await runnerImport(root + file, { root, logLevel: "error" })).module;

(await load("bgv-module.ts")).compile();
await (await load("test/he/peer.ts")).answer();
