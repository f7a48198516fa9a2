/**
 * From bytes to values: u, the errors, and a. A ciphertext does not show the errors, because the
 * division by the special prime absorbs them; so they are looked at where they are made.
 */

import { createCipheriv, createHash } from "node:crypto";

import { beforeAll, expect, it } from "vitest";

import { type Bgv, systemRandomness } from "../../src/he/bgv";
import { concat, unhex, utf8 } from "../../src/wire/bytes";
import { KEY_PRIMES, N, PROFILE } from "../../src/wire/profile";
import { bytesOf, vector } from "../wire/vectors";
import { inside, load } from "./module";

const encryption = vector("encryption.json");
const randomness = vector("randomness.json");
const candidates: number = encryption.candidates;
const key = { b: bytesOf(encryption.sessionKeyHalf), aSeed: unhex(encryption.uniformSeed) };

let bgv: Bgv;

beforeAll(async () => {
  bgv = await load();
});

it("fills all that is asked for from the system's generator, anew each time", () => {
  const drawn = [0, 1].map(() => {
    const into = Buffer.alloc(encryption.randomBytes);
    systemRandomness(into);
    return Array.from({ length: into.length / 64 }, (_, i) =>
      into.subarray(64 * i, 64 * i + 64).toString("latin1"),
    );
  }).flat();
  // No block of 64 bytes twice, and so none left at zero.
  expect(new Set(drawn).size).toBe(2 * (encryption.randomBytes / 64));
});

it("takes u and both errors by the rules of the randomness vectors", async () => {
  const [u, error] = ["u", "e1"].map(streamOf) as [Buffer, Buffer];
  const found = await sampled((into) => {
    into.set(u.subarray(0, candidates));
    into.set(error, candidates);
    into.set(error, candidates + 8 * N);
  });
  expect(digestOf(found.u)).toBe(drawOf("u").sha256);
  expect(digestOf(found.errors.slice(0, N))).toBe(drawOf("e1").sha256);
  expect(digestOf(found.errors.slice(N))).toBe(drawOf("e1").sha256);
});

it("keeps bytes below 255 in their order, and counts 42 bits of an error", async () => {
  const found = await sampled((into) => {
    into.fill(0).set([255, 0, 1, 255, 255, 2, 254, 253]);
    const errors = new DataView(into.buffer, into.byteOffset + candidates);
    const all = 2n ** 21n - 1n;
    const bits = [all, all << 21n, 2n ** 20n, 2n ** 41n, 2n ** 64n - 2n ** 42n];
    bits.forEach((word, i) => errors.setBigUint64(8 * i, word, true));
    errors.setBigUint64(8 * (2 * N - 1), 7n, true);
  });
  expect(found.u.slice(0, 6)).toEqual([-1, 0, 1, 1, 0, -1]);
  expect(found.errors.slice(0, 6)).toEqual([21, -21, 1, -1, 0, 0]);
  expect(found.errors.at(-1)).toBe(3);
});

it("makes the same ciphertext with other errors, and another with another u", async () => {
  const made: Buffer[] = [];
  for (const [u, error] of [[8, 0], [8, 0x5d], [8, 0xa6], [6, 0]] as [number, number][]) {
    const draw = (into: Uint8Array): void => void into.fill(u).fill(error, candidates);
    made.push(Buffer.from(await bgv.encryptProbe(key, Float64Array.of(1), null, draw)));
  }
  expect(made.map((one) => one.equals(made[0]!))).toEqual([true, true, true, false]);
});

it.each([0, 1, 2, 3])("takes a modulo prime %d below it, and to the last word", (which) => {
  const { memory, INPUT, KEY, expandHalf } = inside(bgv);
  const prime = KEY_PRIMES[which]!;
  const stream = new BigUint64Array(memory.buffer, INPUT.value, N + 2);
  stream.fill(5n);
  stream.set([prime, 2n ** 64n - 1n, prime - 1n]); // two are rejected
  expect(expandHalf(which, 8 * (N + 1))).toBe(0);
  expect(expandHalf(which, 8 * (N + 2))).toBe(1);
  const words = new BigUint64Array(memory.buffer, KEY.value + 8 * N * (4 + which), N);
  expect([words[0], words[1], words[N - 1]]).toEqual([prime - 1n, 5n, 5n]);
});

/** What an encryption made of these bytes, read before it is overwritten. */
async function sampled(
  draw: (into: Uint8Array) => void,
): Promise<{ u: number[]; errors: number[] }> {
  const wasm = inside(bgv);
  const made = { u: [] as number[], errors: [] as number[] };
  const read = (at: WebAssembly.Global, count: number): number[] =>
    Array.from(new Int8Array(wasm.memory.buffer, at.value, count));
  const wipe = (): void => {
    made.u = read(wasm.TERNARY, N);
    made.errors = read(wasm.ERRORS, 2 * N);
    wasm.wipe();
  };
  const watched = Object.assign(Object.create(Object.getPrototypeOf(bgv)), {
    wasm: { ...wasm, wipe },
  }) as Bgv;
  await watched.encryptProbe(key, Float64Array.of(1), null, draw);
  return made;
}

const drawOf = (label: string): any => randomness.draws.find((one: any) => one.label === label);

const digestOf = (values: number[]): string =>
  createHash("sha256").update(values.join("\n")).digest("hex");

/** A label's stream: `gateway/he/randomness.py`. */
function streamOf(label: string): Buffer {
  const name = utf8(label);
  const named = createHash("shake256", { outputLength: 32 })
    .update(concat(utf8(`sealmatch/${PROFILE}\0`), Uint8Array.of(name.length), name))
    .update(unhex(randomness.transcript))
    .update(unhex(randomness.seed))
    .digest();
  return createCipheriv("aes-256-ctr", named, Buffer.alloc(16)).update(Buffer.alloc(8 * N));
}
