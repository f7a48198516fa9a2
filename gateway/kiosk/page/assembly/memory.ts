/**
 * Where everything lies. There is no heap and no stack: each address is a constant.
 *
 * Public, in this order: numbers made once (`tables.ts`), and the key of one session. Then what is
 * secret or was made of it, from SECRET to END: `wipe` overwrites all of that.
 */

import { DIMENSION, N, ROTATIONS } from "./profile";

/** Bytes of a polynomial modulo one prime. */
export const POLYNOMIAL: usize = N * 8;

// --- made once ----------------------------------------------------------------------------------

/** The frame's sign patterns: 1536 bytes of SHAKE-256, handed in. */
export const PATTERNS: usize = 1024;
/** Constants, eight words for each modulus: see `tables.ts`. */
export const CONSTANTS: usize = PATTERNS + 1536;
/** Powers of the roots with their quotients, 16 bytes a place: four forward, then two inverse. */
export const FORWARD: usize = 4096;
export const INVERSE: usize = FORWARD + 4 * 2 * POLYNOMIAL;

// --- the key of a session, which is public ------------------------------------------------------

/** b, then a, modulo the four primes. */
export const KEY: usize = INVERSE + 2 * 2 * POLYNOMIAL;
/** b as it arrived, or the stream of which a part of a is made. */
export const INPUT: usize = KEY + 8 * POLYNOMIAL;
export const INPUT_BYTES: usize = 4 * N * 7 + 16;

// --- secret -------------------------------------------------------------------------------------

export const SECRET: usize = (INPUT + INPUT_BYTES + 63) & ~63;

/** An embedding: 512 doubles. */
export const VECTOR: usize = SECRET;
/** Its eight rotations. */
export const ROTATED: usize = VECTOR + DIMENSION * 8;
/** The plaintext: values of slots, then coefficients in (-t/2, t/2]. */
export const MESSAGE: usize = ROTATED + ROTATIONS * DIMENSION * 8;

/** Candidates of u, one byte each; then 8 bytes for each coefficient of e0 and of e1. */
export const RANDOM: usize = MESSAGE + POLYNOMIAL;
export const CANDIDATES: i32 = N + N / 32 + 64;
export const RANDOM_BYTES: usize = CANDIDATES + 2 * N * 8;

/** u, with room for every candidate; e0 and e1. One signed byte each. */
export const TERNARY: usize = RANDOM + RANDOM_BYTES;
export const ERRORS: usize = TERNARY + CANDIDATES;

/** u times a constant, transformed modulo one prime. */
export const FACTOR: usize = (ERRORS + 2 * N + 63) & ~63;
/** Of c0 and c1: t e minus the residue modulo the special prime, which is to be divided by it. */
export const REST: usize = FACTOR + POLYNOMIAL;
/** Of c0 and c1: the message minus the multiple that makes the division leave it as it is. */
export const SMALL: usize = REST + 2 * POLYNOMIAL;
/** One polynomial modulo one prime, on its way. */
export const WORK: usize = SMALL + 2 * POLYNOMIAL;

/** The canonical ciphertext. */
export const OUTPUT: usize = WORK + POLYNOMIAL;
export const OUTPUT_BYTES: usize = 2 + 6 * N * 7;

export const END: usize = OUTPUT + OUTPUT_BYTES;
