/**
 * Number-theoretic transforms of 8192 values, in SEAL's order of places.
 *
 * Sums are not reduced on the way. Forwards, a value grows by less than 4 p at each of 13 levels,
 * so from at most 6 p it stays below 58 p < 2^62. Backwards it doubles: from 2 p to 2^14 p, which
 * is below 2^61 for the special prime and t, and only those are transformed backwards.
 */

import { times } from "./modular";
import { N } from "./profile";

const LOW: u64 = 0xffffffff;

/**
 * Coefficients to values at the odd powers of the root: place i has the value at the exponent
 * 2 bitrev(i) + 1. Cooley and Tukey's butterflies, two levels at a time after the first one.
 */
export function forward(values: usize, table: usize, p: u64): void {
  const four = p << 2;
  firstLevel(values, table, four, p);
  let quarter: usize = (N * 8) >> 3;
  for (let groups = 2; groups < N; groups <<= 2) {
    const end = table + (<usize>groups << 5);
    let place = values;
    let pair = table + (<usize>groups << 5);
    for (let one = table + (<usize>groups << 4); one < end; one += 16) {
      const w1 = load<u64>(one);
      const w2 = load<u64>(pair);
      const w3 = load<u64>(pair, 16);
      const q1 = load<u64>(one, 8);
      const q2 = load<u64>(pair, 8);
      const q3 = load<u64>(pair, 24);
      for (const stop = place + quarter; place < stop; place += 8) {
        const second = place + quarter;
        const third = second + quarter;
        const fourth = third + quarter;
        const x0 = load<u64>(place);
        const x1 = load<u64>(second);
        const x2 = times(load<u64>(third), w1, q1 >> 32, q1 & LOW, p);
        const x3 = times(load<u64>(fourth), w1, q1 >> 32, q1 & LOW, p);
        const y0 = x0 + x2;
        const y2 = x0 - x2 + four;
        const y1 = times(x1 + x3, w2, q2 >> 32, q2 & LOW, p);
        const y3 = times(x1 - x3 + four, w3, q3 >> 32, q3 & LOW, p);
        store<u64>(place, y0 + y1);
        store<u64>(second, y0 - y1 + four);
        store<u64>(third, y2 + y3);
        store<u64>(fourth, y2 - y3 + four);
      }
      place += 3 * quarter;
      pair += 32;
    }
    quarter >>= 2;
  }
}

function firstLevel(values: usize, table: usize, four: u64, p: u64): void {
  const half: usize = (N * 8) >> 1;
  const w = load<u64>(table, 16);
  const q = load<u64>(table, 24);
  for (let place = values; place < values + half; place += 8) {
    const x = load<u64>(place);
    const y = times(load<u64>(place + half), w, q >> 32, q & LOW, p);
    store<u64>(place, x + y);
    store<u64>(place + half, x - y + four);
  }
}

/** The other way, N times too large. Gentleman and Sande's butterflies. Values below 2 p. */
export function backward(values: usize, table: usize, p: u64): void {
  let bound = p << 1;
  let half: usize = 8;
  for (let groups = N >> 1; groups > 0; groups >>= 1) {
    let place = values;
    const end = table + (<usize>groups << 5);
    for (let one = table + (<usize>groups << 4); one < end; one += 16) {
      const w = load<u64>(one);
      const q = load<u64>(one, 8);
      for (const stop = place + half; place < stop; place += 8) {
        const x = load<u64>(place);
        const y = load<u64>(place + half);
        store<u64>(place, x + y);
        store<u64>(place + half, times(x - y + bound, w, q >> 32, q & LOW, p));
      }
      place += half;
    }
    bound <<= 1;
    half <<= 1;
  }
}
