/**
 * Random bytes -> u and the errors, by the rules of `gateway/he/randomness.py`.
 *
 * The bytes come from outside: the system's generator, or fixed ones in tests.
 */

import { CANDIDATES, ERRORS, RANDOM, TERNARY } from "./memory";
import { N } from "./profile";

/**
 * u, uniform in {-1, 0, 1}: each byte below 255, modulo 3, minus 1.
 *
 * All candidates are looked at, whatever they are. Only the place where the next one is written
 * depends on a byte, and only on whether it is 255. That says nothing of a byte that is kept.
 *
 * @returns how many were kept; less than N of the 8512 in less than one of 2^100 calls.
 */
export function sampleTernary(): i32 {
  let kept = 0;
  for (let i = 0; i < CANDIDATES; i++) {
    const byte = <i32>load<u8>(RANDOM + <usize>i);
    const third = (byte * 171) >> 9; // floor(byte / 3) for every byte
    store<i8>(TERNARY + <usize>kept, <i8>(byte - 3 * third - 1));
    kept += i32(byte != 255);
  }
  return kept;
}

/** e0 and e1: of 8 bytes each, ones in bits 0 to 20 minus ones in bits 21 to 41. */
export function sampleErrors(): void {
  for (let i = 0; i < 2 * N; i++) {
    const word = load<u64>(RANDOM + <usize>CANDIDATES + (<usize>i << 3));
    // Both numbers of 21 bits side by side, so that they are counted at once.
    let bits = (word & 0x1fffff) | (((word >> 21) & 0x1fffff) << 32);
    bits -= (bits >> 1) & 0x5555555555555555;
    bits = (bits & 0x3333333333333333) + ((bits >> 2) & 0x3333333333333333);
    bits = (bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0f;
    bits += bits >> 8;
    bits += bits >> 16;
    store<i8>(ERRORS + <usize>i, <i8>((bits & 0x3f) - ((bits >> 32) & 0x3f)));
  }
}
