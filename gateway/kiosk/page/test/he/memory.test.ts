/** Nothing secret is left in the module's memory, whatever became of a call. */

import { beforeEach, expect, it } from "vitest";

import { type Bgv, type Embedding } from "../../src/he/bgv";
import { unhex } from "../../src/wire/bytes";
import { bytesOf, vector } from "../wire/vectors";
import { inside, isWiped, load, memoryOf } from "./module";

const encryption = vector("encryption.json");
const key = { b: bytesOf(encryption.sessionKeyHalf), aSeed: unhex(encryption.uniformSeed) };
const probe = Float64Array.of(0.6, 0.8);
const action = Float64Array.of(0.8, 0, -0.6);

let bgv: Bgv;

beforeEach(async () => {
  bgv = await load();
});

it("holds secrets between two addresses alone, and overwrites them", async () => {
  const before = Buffer.from(memoryOf(bgv)); // a copy
  let during = Buffer.alloc(0);
  const { wipe } = inside(bgv);
  replace({
    wipe: () => {
      during = Buffer.from(memoryOf(bgv));
      wipe();
    },
  });
  await bgv.encryptProbe(key, probe, action);
  const { KEY, INPUT, SECRET, END } = inside(bgv);
  expect(INPUT.value).toBeGreaterThan(KEY.value);
  for (const memory of [during, memoryOf(bgv)]) {
    // The key and the stream of a, which are public, lie between KEY and SECRET.
    expect(memory.subarray(0, KEY.value).equals(before.subarray(0, KEY.value))).toBe(true);
    expect(memory.subarray(END.value).equals(before.subarray(END.value))).toBe(true);
  }
  expect(during.subarray(SECRET.value, END.value).equals(Buffer.alloc(END.value - SECRET.value)))
    .toBe(false);
  expect(isWiped(bgv)).toBe(true);
});

it("would be noticed if it did not", async () => {
  replace({ wipe: () => undefined });
  await bgv.encryptProbe(key, probe, action);
  expect(isWiped(bgv)).toBe(false);
});

it.each([
  ["a vector of another length", { action: Float64Array.of(2) }],
  ["a key that is none", { b: new Uint8Array(key.b.length) }],
  ["a generator that fails", { draw: (): never => { throw new Error("no randomness"); } }],
  ["a generator that says 255 alone", { draw: (into: Uint8Array) => void into.fill(255) }],
] as [string, { action?: Embedding; b?: Uint8Array; draw?: (into: Uint8Array) => void }][])(
  "overwrites them after %s",
  async (_, { action: other, b, draw }) => {
    const asked = bgv.encryptProbe({ ...key, ...(b ? { b } : {}) }, probe, other ?? action, draw);
    await expect(asked).rejects.toThrow();
    expect(isWiped(bgv)).toBe(true);
  },
);

it("keeps two calls at once apart", async () => {
  const fixed = (into: Uint8Array): void => void into.fill(7);
  const alone = [
    await bgv.encryptProbe(key, probe, null, fixed),
    await bgv.encryptProbe(key, action, null, fixed),
  ];
  const both = await Promise.all([
    bgv.encryptProbe(key, probe, null, fixed),
    bgv.encryptProbe(key, action, null, fixed),
  ]);
  both.forEach((one, i) => expect(Buffer.from(one).equals(Buffer.from(alone[i]!))).toBe(true));
  expect(Buffer.from(both[0]!).equals(Buffer.from(both[1]!))).toBe(false);
});

/** Put functions in the place of the module's. */
function replace(functions: object): void {
  (bgv as unknown as { wasm: object }).wasm = { ...inside(bgv), ...functions };
}
