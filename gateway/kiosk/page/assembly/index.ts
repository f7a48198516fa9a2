/**
 * Encryption of a probe under a verified session key: everything secret happens in here.
 *
 * Whoever calls writes into `memory` at the addresses below, calls, and reads the result. Exports
 * that handle secrets are `isUnit`, `signs` and `encrypt`; the others see public values alone.
 * After each use `wipe` overwrites all that is secret or was made of it.
 *
 * What the time of a call can tell, and which memory it touches:
 *
 * - at which places of the 8512 candidates for u a byte was 255 and rejected. The bytes that are
 *   kept are uniform below 255 whatever these places are, so this says nothing of u;
 * - whether a vector is of length 1, which an embedding always is;
 * - nothing else. No branch, address or instruction of varying time depends on a vector, on u, on
 *   an error, or on what is made of them. `test/he/constant-time.test.ts` follows them through the
 *   compiled module.
 *
 * That is true of this code. An engine could make branches of it, though none is known to; an old
 * or small processor may multiply small numbers faster, and so may one with doubles below 2^-1022,
 * which no embedding has; copies that an engine keeps in registers or on its stack cannot be
 * overwritten from here.
 */

import * as places from "./memory";

export { encryptSlots as encrypt } from "./encryption";
export { isUnit, signsToSlots as signs } from "./frame";
export { expandHalf, readHalf } from "./key";
export { makeTables } from "./tables";

export const PATTERNS: usize = places.PATTERNS;
export const KEY: usize = places.KEY;
export const INPUT: usize = places.INPUT;
export const VECTOR: usize = places.VECTOR;
export const ROTATED: usize = places.ROTATED;
export const RANDOM: usize = places.RANDOM;
export const RANDOM_BYTES: usize = places.RANDOM_BYTES;
export const TERNARY: usize = places.TERNARY;
export const ERRORS: usize = places.ERRORS;
export const OUTPUT: usize = places.OUTPUT;
export const OUTPUT_BYTES: usize = places.OUTPUT_BYTES;
export const SECRET: usize = places.SECRET;
export const END: usize = places.END;

/** Overwrite everything secret, the ciphertext too. */
export function wipe(): void {
  memory.fill(places.SECRET, 0, places.END - places.SECRET);
}
