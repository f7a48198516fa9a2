/**
 * Arithmetic modulo primes below 2^57, on words of 64 bits, without a branch or a division.
 *
 * Bounds are kept by hand: each function says what it takes and what it gives.
 */

const LOW: u64 = 0xffffffff;

/** The upper word of x y, exactly. */
// @ts-ignore: decorator
@inline
export function high(x: u64, y: u64): u64 {
  const xl = x & LOW;
  const xh = x >> 32;
  const yl = y & LOW;
  const yh = y >> 32;
  const first = xh * yl + ((xl * yl) >> 32);
  const second = xl * yh + (first & LOW);
  return xh * yh + (first >> 32) + (second >> 32);
}

/**
 * x w modulo p, below 4 p, for any x.
 *
 * Shoup's method: `quotient` is floor(w 2^64 / p), given in halves, and estimates the multiple of p
 * to be taken off. The product of both lower halves is left out, and carries with it: the estimate
 * is at most 3 too low, and never too high.
 */
// @ts-ignore: decorator
@inline
export function times(x: u64, w: u64, quotientHigh: u64, quotientLow: u64, p: u64): u64 {
  const xl = x & LOW;
  const xh = x >> 32;
  const estimate = xh * quotientHigh + ((xh * quotientLow) >> 32) + ((xl * quotientHigh) >> 32);
  return x * w - estimate * p;
}

/** The same with the quotient in one word. */
// @ts-ignore: decorator
@inline
export function timesConstant(x: u64, w: u64, quotient: u64, p: u64): u64 {
  return times(x, w, quotient >> 32, quotient & LOW, p);
}

/**
 * x y / 2^64 modulo p (Montgomery), above 0 and below p + x y / 2^64.
 *
 * @param inverse of p modulo 2^64.
 */
// @ts-ignore: decorator
@inline
export function montgomery(x: u64, y: u64, p: u64, inverse: u64): u64 {
  return high(x, y) - high(x * y * inverse, p) + p;
}

/** x - p if that is not negative, else x; both below 2^63. */
// @ts-ignore: decorator
@inline
export function less(x: u64, p: u64): u64 {
  const difference = x - p;
  return difference + (p & <u64>(<i64>difference >> 63));
}

/** p^-1 modulo 2^64 for an odd p, by Newton's iteration: each step doubles the right bits. */
export function inverseOf(p: u64): u64 {
  let inverse = p;
  for (let i = 0; i < 5; i++) inverse *= 2 - p * inverse;
  return inverse;
}
