/** Modules import downward only: who may use what, by directory of `src`. */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { expect, it } from "vitest";

const SRC = fileURLToPath(new URL("../src", import.meta.url));

const BELOW: Readonly<Record<string, readonly string[]>> = {
  wire: [],
  kiosk: [],
  he: ["wire"],
  vision: ["wire"],
  liveness: ["vision", "wire"],
  client: ["wire"],
  screens: ["liveness", "wire"],
  workers: ["he", "vision", "liveness", "kiosk", "wire"],
  counter: ["screens", "client", "workers", "liveness", "kiosk", "wire"],
  dev: ["screens", "liveness", "wire"],
  "main.ts": ["counter", "screens", "workers", "liveness", "kiosk"],
};

const files = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));

const layerOf = (path: string): string => relative(SRC, path).split("/")[0]!;

it("holds for every import", () => {
  const upward: string[] = [];
  const seen = new Set<string>();
  for (const file of files(SRC)) {
    const own = layerOf(file);
    for (const [, target] of readFileSync(file, "utf8").matchAll(/(?:from|import) "(\.[^"]+)"/g)) {
      const layer = layerOf(join(dirname(file), target!));
      if (layer === own || layer === "..") continue; // data files are outside of `src`
      seen.add(layer);
      if (!BELOW[own]?.includes(layer)) upward.push(`${relative(SRC, file)} uses ${layer}`);
    }
  }
  expect(upward).toEqual([]);
  expect(seen.size).toBeGreaterThan(4);
});
