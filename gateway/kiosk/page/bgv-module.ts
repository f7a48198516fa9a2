/**
 * `build/bgv.wasm`, compiled from `assembly/` before anything asks for it.
 *
 * Beside it stands of which sources it was made: it is compiled again when one of them, the options
 * or the compiler is another.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import type { Plugin } from "vite";

const PAGE = fileURLToPath(new URL("./", import.meta.url));
const MODULE = `${PAGE}build/bgv.wasm`;
const SOURCES = `${PAGE}build/bgv.sources`;
const CONFIG = "assembly/asconfig.json";

export function bgvModule(): Plugin {
  return { name: "bgv-module", buildStart: compile };
}

/** Compile the module if it is not there, or not of these sources. */
export function compile(): void {
  const compiler = createRequire(import.meta.url).resolve("assemblyscript/package.json");
  const digest = createHash("sha256").update(readFileSync(compiler));
  for (const name of readdirSync(`${PAGE}assembly`).sort()) {
    digest.update(`\0${name}\0`).update(readFileSync(`${PAGE}assembly/${name}`));
  }
  const sources = digest.digest("hex");
  if (existsSync(MODULE) && existsSync(SOURCES) && readFileSync(SOURCES, "utf8") === sources) return;
  mkdirSync(`${PAGE}build`, { recursive: true });
  const made = `build/bgv-${process.pid}.wasm`;
  const asc = compiler.replace(/package\.json$/, "bin/asc.js");
  const options = ["assembly/index.ts", "--config", CONFIG, "--outFile", made];
  execFileSync(process.execPath, [asc, ...options], { cwd: PAGE, stdio: "inherit" });
  renameSync(PAGE + made, MODULE);
  writeFileSync(SOURCES, sources);
}
