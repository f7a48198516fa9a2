/** The compiled module, as vite has it made before the tests. */

import { readFileSync } from "node:fs";

import { Bgv, type Exports } from "../../src/he/bgv";

export const code = (): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL("../../build/bgv.wasm", import.meta.url)));

export const load = (): Promise<Bgv> => Bgv.load(new WebAssembly.Module(code()));

/** What the module exports, its memory among it. */
export const inside = (bgv: Bgv): Exports => (bgv as unknown as { wasm: Exports }).wasm;

export const memoryOf = (bgv: Bgv): Buffer => Buffer.from(inside(bgv).memory.buffer);

/** Whether nothing is left of what was secret. */
export function isWiped(bgv: Bgv): boolean {
  const { SECRET, END } = inside(bgv);
  const secret = memoryOf(bgv).subarray(SECRET.value, END.value);
  return secret.equals(Buffer.alloc(secret.length));
}
