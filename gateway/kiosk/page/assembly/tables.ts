/** Numbers that depend on the profile alone, made once when the module is loaded. */

import { CONSTANTS, FORWARD, INVERSE, POLYNOMIAL } from "./memory";
import { inverseOf, less, montgomery } from "./modular";
import { DATA, LOG_N, modulus, N, PLAIN, root, SPECIAL, T } from "./profile";

/** 2^64 modulo the prime. */
export const ONE: usize = 0;
/** 1/N and its quotient. */
export const BY_N: usize = 8;
/** Data primes: 1/p for the special prime p, and its quotient. t: -1/p. */
export const BY_SPECIAL: usize = 24;
/** Data primes: 2^64 / p. Special prime: 2^64. What u is multiplied by before its transform. */
export const SCALE: usize = 40;

export function constant(which: i32, name: usize): u64 {
  return load<u64>(CONSTANTS + (<usize>which << 6) + name);
}

function note(which: i32, name: usize, value: u64): void {
  store<u64>(CONSTANTS + (<usize>which << 6) + name, value);
}

export function forwardTable(which: i32): usize {
  return FORWARD + <usize>which * 2 * POLYNOMIAL;
}

/** Of the special prime or t. */
export function inverseTable(which: i32): usize {
  return INVERSE + <usize>(which - SPECIAL) * 2 * POLYNOMIAL;
}

/** i with its 13 bits in the other order. */
export function reversed(i: i32): i32 {
  let r = ((i & 0x5555) << 1) | ((i >> 1) & 0x5555);
  r = ((r & 0x3333) << 2) | ((r >> 2) & 0x3333);
  r = ((r & 0x0f0f) << 4) | ((r >> 4) & 0x0f0f);
  r = ((r & 0x00ff) << 8) | (r >> 8);
  return r >> (16 - LOG_N);
}

export function makeTables(): void {
  for (let which = 0; which <= PLAIN; which++) {
    const p = modulus(which);
    const one = (0 - p) % p; // 2^64 - p, and so 2^64, modulo p
    const back = inverseOf(p);
    let square = one;
    for (let i = 0; i < 64; i++) square = less(square << 1, p);
    note(which, ONE, one);
    const psi = product(root(which), square, p, back);
    if (which < PLAIN) makePowers(forwardTable(which), psi, one, p, back);
    if (which >= SPECIAL) {
      makePowers(inverseTable(which), power(psi, p - 2, one, p, back), one, p, back);
    }
    keepQuotient(which, BY_N, power(product(N, square, p, back), p - 2, one, p, back), p, back);
    if (which == SPECIAL) {
      note(which, SCALE, one);
      continue;
    }
    const special = product(modulus(SPECIAL) % p, square, p, back);
    const bySpecial = power(special, p - 2, one, p, back);
    note(which, SCALE, bySpecial);
    keepQuotient(which, BY_SPECIAL, which < DATA ? bySpecial : T - bySpecial, p, back);
  }
}

/** Powers 0 to N - 1 of psi, each in the place whose bits are those of its exponent reversed. */
function makePowers(table: usize, psi: u64, one: u64, p: u64, back: u64): void {
  let current = one;
  for (let i = 0; i < N; i++) {
    const place = table + (<usize>reversed(i) << 4);
    store<u64>(place, product(current, 1, p, back));
    store<u64>(place, 0 - current * back, 8);
    current = product(current, psi, p, back);
  }
}

/**
 * A number and its quotient floor(w 2^64 / p), given w 2^64 modulo p: w 2^64 minus that is a
 * multiple of p, so the quotient follows modulo 2^64 by one multiplication.
 */
function keepQuotient(which: i32, name: usize, scaled: u64, p: u64, back: u64): void {
  note(which, name, product(scaled, 1, p, back));
  note(which, name + 8, 0 - scaled * back);
}

function power(base: u64, exponent: u64, one: u64, p: u64, back: u64): u64 {
  let result = one;
  for (let bit: u64 = 1 << 57; bit > 0; bit >>= 1) {
    result = product(result, result, p, back);
    if (exponent & bit) result = product(result, base, p, back);
  }
  return result;
}

/** x y / 2^64 modulo p, below p. */
function product(x: u64, y: u64, p: u64, back: u64): u64 {
  return less(montgomery(x, y, p, back), p);
}
