/** The golden vectors of `tests/vectors`, as its README writes them down. */

import { readdirSync, readFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";

import { type Bytes, concat, unhex } from "../../src/wire/bytes";
import type { Cbor } from "../../src/wire/cbor";
import { HEADER_BYTES, N, WORD_BYTES } from "../../src/wire/profile";

const ROOT = fileURLToPath(new URL("../../../../../tests/vectors/", import.meta.url));

/** Numbers beyond 2^53 are read as text: a JSON number would lose its last digits. */
export function vector(path: string): any {
  const text = readFileSync(ROOT + path, "utf8");
  return JSON.parse(text.replace(/(?<=[[:,]\s*)(-?\d{16,})(?=\s*[,\]}])/g, '"$1"'));
}

export const names = (folder: string): string[] =>
  readdirSync(ROOT + folder).filter((name) => name.endsWith(".json"));

/** The bytes that a rule or a `$hex` stands for. */
export function bytesOf(rule: any): Bytes {
  if ("$hex" in rule) return unhex(rule.$hex);
  if ("$shake256" in rule) return shake(rule.$shake256, rule.length);
  return polynomials(rule);
}

export const shake = (label: string, length: number): Bytes =>
  new Uint8Array(createHash("shake256", { outputLength: length }).update(label).digest());

/** A value in the notation of the vectors, as our CBOR reads it. */
export function cborOf(value: any): Cbor {
  if (value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(cborOf);
  if (Object.keys(value).some((key) => key.startsWith("$"))) return bytesOf(value);
  return new Map(Object.entries(value).map(([key, one]) => [key, cborOf(one)]));
}

function polynomials(rule: any): Bytes {
  const [a, b, c] = [rule.A, rule.B, rule.C].map(BigInt) as [bigint, bigint, bigint];
  const start = rule.start ?? 0;
  const primes = rule.primes.map(BigInt) as bigint[];
  const encoded = new Uint8Array(HEADER_BYTES + rule.$polynomials * primes.length * N * WORD_BYTES);
  encoded.set([1, rule.$polynomials]);
  const view = new DataView(encoded.buffer);
  let at = HEADER_BYTES;
  for (let p = 0n; p < rule.$polynomials; p++) {
    primes.forEach((prime, k) => {
      for (let i = start; i < start + N; i++) {
        const word = (BigInt(i) * a + p * b + BigInt(k) * c) % prime;
        view.setUint32(at, Number(word & 0xffffffffn), true);
        view.setUint16(at + 4, Number((word >> 32n) & 0xffffn), true);
        view.setUint8(at + 6, Number(word >> 48n));
        at += WORD_BYTES;
      }
    });
  }
  const head = (rule.head ?? []).map((one: string | number) => number14(BigInt(one)));
  return concat(...head, encoded);
}

const number14 = (value: bigint): Bytes =>
  Uint8Array.from({ length: 14 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));

/** Whether bytes are those that `encoded` of a vector describes. */
export function isEncoded(encoded: Bytes, described: any): boolean {
  const digest = createHash("sha256").update(encoded).digest("hex");
  return encoded.length === described.bytes && digest === described.sha256;
}
