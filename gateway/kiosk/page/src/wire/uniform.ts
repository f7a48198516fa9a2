/**
 * a, the half of a session's public key that nobody chooses (protocol, section 3.3).
 *
 * Its seed is SHAKE-256("sealmatch/a/2" || 0x00 || profile || 0x00 || session || client nonce ||
 * gateway nonce), 32 bytes. The words of prime i are AES-256 in counter mode, from counter 0, under
 * SHAKE-256("sealmatch/a/2" || 0x01 || seed || i): 8 bytes each, little-endian, the low bits that
 * the prime has, rejected at or above it.
 */

import { shake256 } from "@hpke/common";

import { type Bytes, concat, utf8 } from "./bytes";
import { KEY_PRIMES, N, PROFILE } from "./profile";

const LABEL = utf8("sealmatch/a/2");
const WORD_BYTES = 8;

/** More draws than asked for: at most one in 200 is rejected on average. */
const WITH_MARGIN = N + N / 32 + 64;

const shake = (data: Bytes): Bytes => new Uint8Array(shake256(data, { dkLen: 32 }));

/** The seed that follows from session and nonces. */
export const seedOf = (session: Bytes, clientNonce: Bytes, gatewayNonce: Bytes): Bytes =>
  shake(concat(LABEL, utf8(`\0${PROFILE}\0`), session, clientNonce, gatewayNonce));

/** All of a: for each of the four primes 8192 words, in NTT form. */
export const expand = (seed: Bytes): Promise<BigUint64Array[]> =>
  Promise.all(KEY_PRIMES.map((prime, i) => words(seed, prime, i)));

async function words(seed: Bytes, prime: bigint, index: number): Promise<BigUint64Array> {
  const stream = await keystream(shake(concat(LABEL, Uint8Array.of(1), seed, Uint8Array.of(index))));
  const view = new DataView(stream.buffer);
  const mask = (1n << BigInt(prime.toString(2).length)) - 1n;
  const kept = new BigUint64Array(N);
  let count = 0;
  for (let at = 0; at < stream.length && count < N; at += WORD_BYTES) {
    const word = view.getBigUint64(at, true) & mask;
    if (word < prime) kept[count++] = word;
  }
  if (count < N) throw new Error("rejection sampling ran out of stream"); // below 2^-100
  return kept;
}

async function keystream(key: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey("raw", key, "AES-CTR", false, ["encrypt"]);
  const mode = { name: "AES-CTR", counter: new Uint8Array(16), length: 128 };
  const zeros = new Uint8Array(WORD_BYTES * WITH_MARGIN);
  return new Uint8Array(await crypto.subtle.encrypt(mode, imported, zeros));
}
