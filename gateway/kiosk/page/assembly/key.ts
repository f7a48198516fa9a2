/** The session's public key: b out of its encoding, a out of a stream. All of it is public. */

import { INPUT, KEY, POLYNOMIAL } from "./memory";
import { FORMAT_VERSION, HEADER, modulus, N, SPECIAL, WORD } from "./profile";

/** 1 if INPUT holds the canonical encoding of b, which is read, else 0. */
export function readHalf(): i32 {
  if (load<u8>(INPUT) != FORMAT_VERSION || load<u8>(INPUT, 1) != 1) return 0;
  let any: u64 = 0;
  // Each word is the upper seven of the eight bytes that begin one before it.
  let from = INPUT + HEADER - 1;
  for (let which = 0; which <= SPECIAL; which++) {
    const prime = modulus(which);
    const words = KEY + <usize>which * POLYNOMIAL;
    for (let i = 0; i < N; i++) {
      const word = load<u64>(from) >> 8;
      if (word >= prime) return 0;
      any |= word;
      store<u64>(words + (<usize>i << 3), word);
      from += WORD;
    }
  }
  return any != 0 ? 1 : 0;
}

/**
 * a modulo one of the four primes, of a stream in INPUT: 8 bytes each, the low bits that the prime
 * has, rejected at or above it.
 *
 * @returns 1, or 0 if the stream ended before.
 */
export function expandHalf(which: i32, bytes: i32): i32 {
  const prime = modulus(which);
  const mask = (<u64>-1) >> clz(prime);
  const words = KEY + <usize>(4 + which) * POLYNOMIAL;
  let kept = 0;
  for (let at = 0; at + 8 <= bytes && kept < N; at += 8) {
    const word = load<u64>(INPUT + <usize>at) & mask;
    if (word >= prime) continue;
    store<u64>(words + (<usize>kept << 3), word);
    kept++;
  }
  return i32(kept == N);
}
