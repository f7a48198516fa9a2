/** The numbers of the profile `bgv8192-2`, pinned here as in `gateway/wire/profile.py`. */

/** Ring degree, and the number of slots. */
export const N: i32 = 8192;
export const LOG_N: i32 = 13;

/** Plain modulus. */
export const T: u64 = 133857281;

/** Data primes, then the special prime, then t: what a transform is taken modulo. */
export const DATA: i32 = 3;
export const SPECIAL: i32 = 3;
export const PLAIN: i32 = 4;

/** Slots of one lane, values of an embedding, and rotations of the frame. */
export const LANE: i32 = N / 2;
export const DIMENSION: i32 = 512;
export const ROTATIONS: i32 = LANE / DIMENSION;
export const ROUNDS: i32 = 3;

/** The canonical encoding: two bytes, then words of seven. */
export const HEADER: i32 = 2;
export const WORD: i32 = 7;
export const FORMAT_VERSION: i32 = 1;

/** One of the moduli, by its place in the list above. */
export function modulus(which: i32): u64 {
  if (which == 0) return 72037336825970689;
  if (which == 1) return 71978122648289281;
  if (which == 2) return 71964963942137857;
  if (which == SPECIAL) return 70368743669761;
  return T;
}

/** Its least primitive 2N-th root of unity, which SEAL takes. */
export function root(which: i32): u64 {
  if (which == 0) return 1526931218463;
  if (which == 1) return 4091626188087;
  if (which == 2) return 18167885455461;
  if (which == SPECIAL) return 13862322115;
  return 6188;
}
