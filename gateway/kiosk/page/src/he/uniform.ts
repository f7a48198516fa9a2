/**
 * a, the half of a session key that nobody chooses, as streams of bytes (protocol, section 3.3).
 *
 * The words of prime i are taken, by rejection, from AES-256 in counter mode, from counter 0, under
 * SHAKE-256("sealmatch/a/2" || 0x01 || seed || i). All of it is public. The seed comes from the
 * grant (`src/wire/uniform.ts`); `assembly/key.ts` takes the words.
 */

import { shake256 } from "@hpke/common";

import { type Bytes, concat, utf8 } from "../wire/bytes";
import { N } from "../wire/profile";

const LABEL = utf8("sealmatch/a/2\x01");
const KEY_BYTES = 32;

/** More draws than asked for: at most one in 200 is rejected on average. */
const STREAM_BYTES = 8 * (N + N / 32 + 64);

/** The stream from which a is taken modulo one of the four primes. */
export async function streamOf(seed: Uint8Array, prime: number): Promise<Bytes> {
  const raw = shake256(concat(LABEL, seed, Uint8Array.of(prime)), { dkLen: KEY_BYTES });
  const key = await crypto.subtle.importKey("raw", raw as Bytes, "AES-CTR", false, ["encrypt"]);
  const mode = { name: "AES-CTR", counter: new Uint8Array(16), length: 128 };
  return new Uint8Array(await crypto.subtle.encrypt(mode, key, new Uint8Array(STREAM_BYTES)));
}
