/**
 * `build/bgv.wasm`, compiled from `assembly/` before anything asks for it.
 *
 * Beside it stands of which sources it was made: it is compiled again when one of them, the options
 * or the compiler is another.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import type { Plugin } from "vite";

const PAGE = fileURLToPath(new URL("./", import.meta.url));
const MODULE = `${PAGE}build/bgv.wasm`;
const SOURCES = `${PAGE}build/bgv.sources`;
const CONFIG = "assembly/asconfig.json";

/** What is built to be released is compiled each time; tests take what is there. */
export function bgvModule(): Plugin {
  let released = false;
  return {
    name: "bgv-module",
    configResolved: ({ command }) => void (released = command === "build"),
    buildStart: () => compile(released),
  };
}

/** Compile the module if it is not there, not of these sources, or in any case. */
export function compile(always = false): void {
  const compiler = createRequire(import.meta.url).resolve("assemblyscript/package.json");
  const digest = createHash("sha256").update(fs.readFileSync(compiler));
  for (const name of fs.readdirSync(`${PAGE}assembly`).sort()) {
    digest.update(`\0${name}\0`).update(fs.readFileSync(`${PAGE}assembly/${name}`));
  }
  const sources = digest.digest("hex");
  const made = fs.existsSync(MODULE) && fs.existsSync(SOURCES);
  if (!always && made && fs.readFileSync(SOURCES, "utf8") === sources) return;
  fs.mkdirSync(`${PAGE}build`, { recursive: true });
  const fresh = `build/bgv-${process.pid}.wasm`;
  const asc = compiler.replace(/package\.json$/, "bin/asc.js");
  const options = ["assembly/index.ts", "--config", CONFIG, "--outFile", fresh];
  execFileSync(process.execPath, [asc, ...options], { cwd: PAGE, stdio: "inherit" });
  fs.renameSync(PAGE + fresh, MODULE);
  fs.writeFileSync(SOURCES, sources);
}
