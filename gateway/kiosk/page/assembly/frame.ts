/**
 * Unit embedding -> signs, bit for bit as `gateway/he/frame.py` (protocol, section 4).
 *
 * Everything after one rounding is sums and differences of integers below 2^42.
 */

import { MESSAGE, PATTERNS, ROTATED, VECTOR } from "./memory";
import { DIMENSION, LANE, N, ROTATIONS, ROUNDS, T } from "./profile";
import { reversed } from "./tables";

/** Added to a number below 2^51 it leaves the nearest integer, ties to even, in the lowest bits. */
const ROUNDING: f64 = 6755399441055744.0; // 1.5 * 2^52
const UNIT: f64 = 16777216.0; // 2^24
const TOLERANCE: f64 = 1e-3;

/** 1 if the vector has length 1 within the tolerance, else 0. What is not a number has none. */
export function isUnit(): i32 {
  let square: f64 = 0;
  for (let i: usize = 0; i < <usize>DIMENSION; i++) {
    const x = load<f64>(VECTOR + (i << 3));
    square += x * x;
  }
  const least = (1 - TOLERANCE) * (1 - TOLERANCE);
  const most = (1 + TOLERANCE) * (1 + TOLERANCE);
  return i32(square >= least) & i32(square <= most);
}

/** The vector's 4096 signs as slots of one lane, at their places before the inverse transform. */
export function signsToSlots(lane: i32): void {
  rotate();
  let exponent = 1;
  for (let i = 0; i < LANE; i++) {
    const y = load<i64>(ROTATED + (<usize>i << 3));
    // The second lane's slots stand at the negative exponents.
    const turned = lane == 0 ? exponent : 2 * N - exponent;
    const place = reversed(turned >> 1);
    store<u64>(MESSAGE + (<usize>place << 3), 1 + (<u64>(y >> 63) & (T - 2)));
    exponent = (exponent * 3) & (2 * N - 1);
  }
}

/** Eight rotations, each three rounds of signs and a Walsh-Hadamard transform. */
function rotate(): void {
  const zero = reinterpret<i64>(ROUNDING);
  for (let rotation = 0; rotation < ROTATIONS; rotation++) {
    const values = ROTATED + <usize>(rotation * DIMENSION * 8);
    for (let i: usize = 0; i < <usize>DIMENSION; i++) {
      const x = load<f64>(VECTOR + (i << 3)) * UNIT + ROUNDING;
      store<i64>(values + (i << 3), reinterpret<i64>(x) - zero);
    }
    for (let round = 0; round < ROUNDS; round++) {
      flip(values, (rotation * ROUNDS + round) * DIMENSION);
      hadamard(values);
    }
  }
}

/** Change the sign where the pattern has a one, from this bit of it on. */
function flip(values: usize, first: i32): void {
  for (let i = 0; i < DIMENSION; i++) {
    const bit = first + i;
    const byte = <i32>load<u8>(PATTERNS + <usize>(bit >> 3));
    const mask = -<i64>((byte >> (bit & 7)) & 1);
    const place = values + (<usize>i << 3);
    store<i64>(place, (load<i64>(place) ^ mask) - mask);
  }
}

/** Walsh-Hadamard transform of 512 values, Sylvester's order, without a factor. */
function hadamard(values: usize): void {
  for (let half: usize = 8; half < <usize>(DIMENSION * 8); half <<= 1) {
    for (let block: usize = 0; block < <usize>(DIMENSION * 8); block += half << 1) {
      for (let i: usize = 0; i < half; i += 8) {
        const place = values + block + i;
        const x = load<i64>(place);
        const y = load<i64>(place + half);
        store<i64>(place, x + y);
        store<i64>(place + half, x - y);
      }
    }
  }
}
