/** Frame, expansion and encryption against the golden vectors. */

import { createHash } from "node:crypto";

import { beforeAll, describe, expect, it } from "vitest";

import { type Bgv, type Embedding } from "../../src/he/bgv";
import { hex, unhex } from "../../src/wire/bytes";
import { Malformed, Misuse } from "../../src/wire/errors";
import { KEY_PRIMES, N } from "../../src/wire/profile";
import { bytesOf, shake, vector } from "../wire/vectors";
import { inside, isWiped, load } from "./module";

const frame = vector("frame.json");
const uniform = vector("uniform.json");
const encryption = vector("encryption.json");
const half = bytesOf(encryption.sessionKeyHalf);
const key = { b: half, aSeed: unhex(encryption.uniformSeed) };

let bgv: Bgv;

beforeAll(async () => {
  bgv = await load();
});

describe("the frame", () => {
  it("has the patterns of the profile", () => {
    const { length, sha256 } = frame.patterns;
    const patterns = new Uint8Array(inside(bgv).memory.buffer, inside(bgv).PATTERNS.value, length);
    expect(createHash("sha256").update(patterns).digest("hex")).toBe(sha256);
  });

  it.each(frame.cases as any[])("gives the signs of $what", (rule) => {
    expect(hex(signsOf(embedding(rule)))).toBe(rule.negativeSigns);
  });
});

it("expands a to the last word, and reads b", async () => {
  await bgv.encryptProbe({ b: half, aSeed: unhex(uniform.seed) }, axis(0), null);
  const wasm = inside(bgv);
  const digestOf = (word: number): string => {
    const words = Buffer.from(wasm.memory.buffer, wasm.KEY.value + 8 * word, 8 * N);
    const packed = Buffer.alloc(7 * N);
    for (let i = 0; i < N; i++) words.copy(packed, 7 * i, 8 * i, 8 * i + 7);
    return createHash("sha256").update(packed).digest("hex");
  };
  uniform.primes.forEach((one: any, i: number) => {
    const b = half.subarray(2 + 7 * N * i, 2 + 7 * N * (i + 1));
    expect(digestOf(N * i)).toBe(createHash("sha256").update(b).digest("hex"));
    expect(digestOf(N * (4 + i))).toBe(one.sha256);
  });
});

it.each(encryption.cases as any[])("encrypts as computed elsewhere: $what", async (one) => {
  const [probe, action] = [one.probe, one.action].map((rule) => rule && embedding(rule));
  const found = await bgv.encryptProbe(key, probe, action, (into) => into.set(drawn(one.random)));
  expect(found.length).toBe(encryption.bytes);
  expect(createHash("sha256").update(found).digest("hex")).toBe(one.sha256);
});

it("hides in the second polynomial nothing but what was drawn", async () => {
  const draw = (into: Uint8Array): void => into.set(drawn(encryption.cases[0].random));
  const other = Uint8Array.from(half, (byte, i) => (i > 1 && (i - 2) % 7 === 0 ? 1 : byte));
  const made = await Promise.all([
    bgv.encryptProbe(key, axis(0), null, draw),
    bgv.encryptProbe(key, axis(1), axis(2), draw),
    bgv.encryptProbe({ ...key, b: other }, axis(0), null, draw),
    bgv.encryptProbe(key, axis(0), null),
  ]);
  const middle = 2 + (encryption.bytes - 2) / 2;
  const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const firsts = made.map((one) => digest(one.subarray(0, middle)));
  const seconds = made.map((one) => digest(one.subarray(middle)));
  expect(new Set(firsts).size).toBe(4);
  expect(new Set(seconds.slice(0, 3)).size).toBe(1);
  expect(seconds[3]).not.toBe(seconds[0]);
});

it("draws anew each time", async () => {
  const made = [];
  for (let i = 0; i < 2; i++) made.push(await bgv.encryptProbe(key, axis(0), null));
  const [one, other] = made as [Uint8Array, Uint8Array];
  let same = 0;
  for (let i = 0; i < one.length; i++) same += Number(one[i] === other[i]);
  expect(same).toBeLessThan(one.length / 100);
});

it("refuses to encrypt with too few accepted bytes", async () => {
  const refused = bgv.encryptProbe(key, axis(0), null, (into) => into.fill(255));
  await expect(refused).rejects.toThrow(Misuse);
});

it.each([
  ["zero", new Float64Array(512)],
  ["not a number", new Float64Array(512).fill(NaN)],
  ["one value that is not a number", Float64Array.of(NaN, 1)],
  ["infinite", Float64Array.of(-Infinity)],
  ["empty", new Float32Array(0)],
  ["513 values", Float64Array.of(1, ...new Array(512).fill(0))],
  ["too long", Float64Array.of(1.0011)],
  ["too short", Float64Array.of(0.9989)],
  ["overflow", new Float64Array(512).fill(1e200)],
])("refuses what is no unit embedding: %s", async (_, bad) => {
  for (const [probe, action] of [
    [bad, null],
    [axis(0), bad],
  ] as [Embedding, Embedding | null][]) {
    await expect(bgv.encryptProbe(key, probe, action)).rejects.toThrow(Misuse);
    expect(isWiped(bgv)).toBe(true);
  }
});

it("takes lengths within the tolerance, and pads short vectors with zeros", async () => {
  const draw = (into: Uint8Array): void => into.set(drawn(encryption.cases[0].random));
  const long = embedding(frame.cases[0]);
  const padded = new Float64Array(512);
  padded.set([0.6, 0.8]);
  const wanted = await bgv.encryptProbe(key, long, padded, draw);
  const made = await bgv.encryptProbe(key, long, Float64Array.of(0.6, 0.8), draw);
  expect(Buffer.from(made).equals(wanted)).toBe(true);
  for (const length of [0.9991, 1.0009]) {
    await expect(bgv.encryptProbe(key, Float64Array.of(length), null)).resolves.toBeDefined();
  }
});

it("refuses a key that is not the one valid encoding", async () => {
  const altered = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = half.slice();
    copy.set(bytes, at);
    return copy;
  };
  const little = (word: bigint): number[] =>
    Array.from({ length: 7 }, (_, i) => Number((word >> BigInt(8 * i)) & 255n));
  const zero = new Uint8Array(half.length);
  zero.set([1, 1]);
  const last = half.length - 7;
  for (const b of [
    half.subarray(1),
    altered(0, 2),
    altered(1, 2),
    altered(2, ...little(KEY_PRIMES[0])),
    altered(2 + 7 * N, ...little(KEY_PRIMES[1])),
    altered(2 + 7 * 2 * N, ...little(KEY_PRIMES[2])),
    altered(last, ...little(KEY_PRIMES[3])),
    zero,
  ]) {
    await expect(bgv.encryptProbe({ ...key, b }, axis(0), null)).rejects.toThrow(Malformed);
    expect(isWiped(bgv)).toBe(true);
  }
  const largest = altered(last, ...little(KEY_PRIMES[3] - 1n));
  await expect(bgv.encryptProbe({ ...key, b: largest }, axis(0), null)).resolves.toBeDefined();
});

/** Bits of the 4096 signs, set for -1, the lowest of each byte first. */
function signsOf(values: Embedding): Uint8Array {
  const { memory, VECTOR, ROTATED } = inside(bgv);
  new Float64Array(memory.buffer, VECTOR.value, 512).fill(0).set(values);
  expect(inside(bgv).isUnit()).toBe(1);
  inside(bgv).signs(0);
  const rotated = new BigInt64Array(memory.buffer, ROTATED.value, 4096);
  const bits = new Uint8Array(512);
  rotated.forEach((y, j) => (bits[j >> 3]! |= Number(y < 0n) << (j & 7)));
  inside(bgv).wipe();
  return bits;
}

function axis(i: number): Float64Array {
  const made = new Float64Array(512);
  made[i] = 1;
  return made;
}

/** The values of a rule: see the vectors' README. */
function embedding(rule: any): Float64Array {
  if ("axis" in rule) {
    const made = axis(rule.axis);
    return rule.negative ? made.map((x) => -x) : made;
  }
  if ("halves" in rule) return Float64Array.from(rule.halves, (n: number) => n / 2 ** 25);
  const raw = shake(rule.shake256, 2 * rule.length);
  const drawn = Array.from(new Int16Array(raw.buffer));
  const length = Math.floor(Math.sqrt(drawn.reduce((sum, n) => sum + n * n, 0)));
  return Float64Array.from(drawn, (n) => n / length);
}

/** The random bytes of a rule: candidates of u, then eight for each coefficient of both errors. */
function drawn(rule: any): Uint8Array {
  const into = new Uint8Array(encryption.randomBytes);
  if ("shake256" in rule) return shake(rule.shake256, into.length);
  const first = encryption.candidates;
  const [u, e] = [unhex(rule.candidate), unhex(rule.error)];
  return into.map((_, at) => (at < first ? u[0]! : e[(at - first) % e.length]!));
}
