/**
 * The checks of a receipt, as the page of `gateway/proofs/page` makes them: one code for both.
 *
 * Over there the files are one classic script that carries its own hash. Here they become one
 * module, `virtual:receipt-checks`, whose types stand in `src/wire/receipt-checks.d.ts`.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import type { Plugin } from "vite";

const NAME = "virtual:receipt-checks";
const FOLDER = fileURLToPath(new URL("../../proofs/page/", import.meta.url));
const FILES = ["encoding", "signatures", "log", "verify", "policy", "fallback", "openings"];
const EXPORTS = [
  "Invalid",
  "checkActivation",
  "checkSubject",
  "normalForm",
  "readOpening",
  "trimmed",
  "verifyReceipt",
];

export function receiptChecks(): Plugin {
  return {
    name: "receipt-checks",
    resolveId: (id) => (id === NAME ? `\0${NAME}` : null),
    load(id) {
      if (id !== `\0${NAME}`) return null;
      const files = FILES.map((file) => `${FOLDER}${file}.js`);
      files.forEach((file) => this.addWatchFile(file));
      const script = files.map((file) => readFileSync(file, "utf8")).join("\n");
      return `${script}\nexport { ${EXPORTS.join(", ")} };\n`;
    },
  };
}
