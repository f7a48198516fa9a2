/**
 * Encryption of a probe under a verified session key: everything secret happens in here.
 *
 * Whoever calls writes into `memory` at the addresses below, calls, and reads the result. Exports
 * that handle secrets are `isUnit`, `signs` and `encrypt`; the others see public values alone.
 * After each use `wipe` overwrites all that is secret or was made of it.
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
export const OUTPUT: usize = places.OUTPUT;
export const OUTPUT_BYTES: usize = places.OUTPUT_BYTES;
export const SECRET: usize = places.SECRET;
export const END: usize = places.END;

/** Overwrite everything secret, the ciphertext too. */
export function wipe(): void {
  memory.fill(places.SECRET, 0, places.END - places.SECRET);
}
