/** The pinned parameters of the profile `bgv8192-2` (protocol, section 3.1). */

export const PROFILE = "bgv8192-2";

/** Ring degree, and the number of slots. */
export const N = 8192;

/** Plain modulus: 27 bits, prime, 1 modulo 2 N. */
export const T = 133857281;

/** Q: three primes of 56 bits. */
export const DATA_PRIMES = [72037336825970689n, 71978122648289281n, 71964963942137857n] as const;

/** 46 bits; SEAL's encryption uses it. */
export const SPECIAL_PRIME = 70368743669761n;

/** Of a session's public key. */
export const KEY_PRIMES = [...DATA_PRIMES, SPECIAL_PRIME] as const;

/** The probe's lane, then the actions'. */
export const LANES = 2;

/** The canonical encoding: a version, the number of polynomials, then words of 7 bytes. */
export const HEADER_BYTES = 2;
export const WORD_BYTES = 7;

/** Of a fresh ciphertext: two polynomials modulo Q. */
export const FRESH_BYTES = HEADER_BYTES + 2 * DATA_PRIMES.length * N * WORD_BYTES;

/** Of b, the authority's half of a session's public key. */
export const PUBLIC_KEY_BYTES = HEADER_BYTES + KEY_PRIMES.length * N * WORD_BYTES;

/** Of one server's dealing, which the issuer seals. */
export const DEALING_BYTES = 1858;
