/**
 * BGV encryption under a public key (b, a), as SEAL does it (protocol, section 3).
 *
 *     full_j  = u k_j + t e_j         modulo the three data primes and the special prime p
 *     delta_j = full_j mod p + p ((-full_j / p) mod t)      both of them not negative
 *     c_j     = (full_j - delta_j) / p  (+ the message, in c0)      modulo the data primes
 *
 * with k_0 = b and k_1 = a. delta is zero modulo t, so the division leaves the plaintext alone.
 * What is added to u k_j / p is small and known before its transform: (t e_j - full_j mod p) / p,
 * minus the multiple, plus the message. So one transform for each c_j and prime is enough.
 *
 * An error does not show in c_j: what t e adds to full_j, delta_j takes off again, but where
 * delta_j would leave [0, p t), in one coefficient of 2^44. So c_j is as pseudorandom as u k + t e
 * is with any error much below p, and its noise is delta_j / p. Errors are drawn all the same, as
 * SEAL draws them.
 *
 * No branch, address or length depends on a secret. `test/he/constant-time.test.ts` looks for one.
 */

import {
  ERRORS,
  FACTOR,
  KEY,
  MESSAGE,
  OUTPUT,
  POLYNOMIAL,
  REST,
  SMALL,
  TERNARY,
  WORK,
} from "./memory";
import { inverseOf, less, montgomery, timesConstant } from "./modular";
import { DATA, FORMAT_VERSION, HEADER, modulus, N, PLAIN, SPECIAL, T, WORD } from "./profile";
import { sampleErrors, sampleTernary } from "./sampling";
import { BY_N, BY_SPECIAL, constant, forwardTable, inverseTable, SCALE } from "./tables";
import { backward, forward } from "./transform";

/** Of the slots at MESSAGE and the bytes at RANDOM. 1, or 0 if too few bytes could be taken. */
export function encryptSlots(): i32 {
  const enough = i32(sampleTernary() >= N);
  sampleErrors();
  slotsToMessage();
  scaleFactor(SPECIAL);
  divideBySpecial(0);
  divideBySpecial(1);
  store<u8>(OUTPUT, FORMAT_VERSION);
  store<u8>(OUTPUT, 2, 1);
  for (let which = 0; which < DATA; which++) {
    scaleFactor(which);
    writeWords(0, which);
    writeWords(1, which);
  }
  return enough;
}

/** Values of slots to coefficients, and these to (-t/2, t/2], as SEAL lifts them. */
function slotsToMessage(): void {
  backward(MESSAGE, inverseTable(PLAIN), T);
  const byN = constant(PLAIN, BY_N);
  const quotient = constant(PLAIN, BY_N + 8);
  for (let place = MESSAGE; place < MESSAGE + POLYNOMIAL; place += 8) {
    const value = timesConstant(load<u64>(place), byN, quotient, T);
    const least = less(less(value, 2 * T), T);
    store<u64>(place, least - (T & <u64>(<i64>((T >> 1) - least) >> 63)));
  }
}

/** FACTOR: u times the prime's constant, transformed; below 53 p. */
function scaleFactor(which: i32): void {
  const p = modulus(which);
  const scale = constant(which, SCALE);
  const turn = p - 2 * scale;
  for (let i: usize = 0; i < <usize>N; i++) {
    const u = <i64>load<i8>(TERNARY + i);
    store<u64>(FACTOR + (i << 3), (scale & <u64>-(u & 1)) + (turn & <u64>(u >> 63)));
  }
  forward(FACTOR, forwardTable(which), p);
}

/** REST and SMALL of c0 or c1: see above. */
function divideBySpecial(j: i32): void {
  const p = modulus(SPECIAL);
  const inverse = inverseOf(p);
  const key = KEY + <usize>(4 * j + SPECIAL) * POLYNOMIAL;
  for (let i: usize = 0; i < POLYNOMIAL; i += 8) {
    store<u64>(WORK + i, montgomery(load<u64>(FACTOR + i), load<u64>(key + i), p, inverse));
  }
  backward(WORK, inverseTable(SPECIAL), p);
  const byN = constant(SPECIAL, BY_N);
  const byNQuotient = constant(SPECIAL, BY_N + 8);
  const multiple = constant(PLAIN, BY_SPECIAL);
  const multipleQuotient = constant(PLAIN, BY_SPECIAL + 8);
  const errors = ERRORS + <usize>(j * N);
  const withMessage = <u64>(j - 1);
  for (let i: usize = 0; i < <usize>N; i++) {
    const noise = T * <u64>load<i8>(errors + i);
    const product = timesConstant(load<u64>(WORK + (i << 3)), byN, byNQuotient, p);
    const sum = less(less(product, 2 * p), p) + noise + p;
    const rest = less(less(sum, p), p);
    const times = timesConstant(rest, multiple, multipleQuotient, T);
    const message = load<u64>(MESSAGE + (i << 3)) & withMessage;
    const place = <usize>(j * N * 8) + (i << 3);
    store<u64>(REST + place, noise - rest);
    store<u64>(SMALL + place, message - less(less(times, 2 * T), T));
  }
}

/** One polynomial of the ciphertext modulo one data prime, into its place of the encoding. */
function writeWords(j: i32, which: i32): void {
  const p = modulus(which);
  const inverse = inverseOf(p);
  const bySpecial = constant(which, BY_SPECIAL);
  const quotient = constant(which, BY_SPECIAL + 8);
  const from = <usize>j * POLYNOMIAL;
  for (let i: usize = 0; i < POLYNOMIAL; i += 8) {
    const rest = timesConstant(load<u64>(REST + from + i) + p, bySpecial, quotient, p);
    store<u64>(WORK + i, rest + load<u64>(SMALL + from + i) + p);
  }
  forward(WORK, forwardTable(which), p);
  const key = KEY + <usize>(4 * j + which) * POLYNOMIAL;
  let into = OUTPUT + HEADER + <usize>((j * DATA + which) * N * WORD);
  for (let i: usize = 0; i < POLYNOMIAL; i += 8) {
    const product = montgomery(load<u64>(FACTOR + i), load<u64>(key + i), p, inverse);
    const sum = load<u64>(WORK + i) + product;
    // Below 61 p. The primes lie so little below 2^56 that one p is left to take off.
    const word = less(sum - (sum >> 56) * p, p);
    store<u32>(into, <u32>word);
    store<u16>(into, <u16>(word >> 32), 4);
    store<u8>(into, <u8>(word >> 48), 6);
    into += WORD;
  }
}
