/**
 * The canonical encoding of ciphertexts and session keys (protocol, section 3.2): a version, the
 * number of polynomials, then for each polynomial and prime 8192 residues of 7 bytes,
 * little-endian, each below its prime. Length and every residue are checked before any use.
 */

import type { Bytes } from "./bytes";
import { Malformed } from "./errors";
import { DATA_PRIMES, HEADER_BYTES, KEY_PRIMES, N, WORD_BYTES } from "./profile";

const FORMAT_VERSION = 1;

/** Throws `Malformed` unless this is b of a session's public key in its one encoding. */
export const requireKeyHalf = (data: Bytes): void => requireCanonical(data, 1, KEY_PRIMES);

/** Throws `Malformed` unless this is a fresh ciphertext in its one encoding. */
export const requireCiphertext = (data: Bytes): void => requireCanonical(data, 2, DATA_PRIMES);

function requireCanonical(data: Bytes, polynomials: number, primes: readonly bigint[]): void {
  const size = HEADER_BYTES + polynomials * primes.length * N * WORD_BYTES;
  if (data.length !== size || data[0] !== FORMAT_VERSION || data[1] !== polynomials) {
    throw new Malformed("not-canonical");
  }
  const residues = N * WORD_BYTES;
  for (let p = 0; p < polynomials; p++) {
    const start = HEADER_BYTES + p * primes.length * residues;
    primes.forEach((prime, i) => requireBelow(data, start + i * residues, prime));
    if (!data.subarray(start, start + primes.length * residues).some((byte) => byte !== 0)) {
      throw new Malformed("not-canonical");
    }
  }
}

/** Words are compared in two parts, of 32 and 24 bits: a `number` does not hold 56 bits exactly. */
function requireBelow(data: Bytes, start: number, prime: bigint): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [high, low] = [Number(prime >> 32n), Number(prime & 0xffffffffn)];
  for (let at = start; at < start + N * WORD_BYTES; at += WORD_BYTES) {
    const upper = view.getUint16(at + 4, true) + view.getUint8(at + 6) * 0x10000;
    if (upper > high || (upper === high && view.getUint32(at, true) >= low)) {
      throw new Malformed("not-canonical");
    }
  }
}
