/**
 * The authority's grant: whose key this is, for which session, until when (protocol, section 3.3).
 *
 * It is checked with the authority key that this counter pins, before anything is encrypted. So a
 * gateway cannot slip in a key of its own.
 */

import { type Bytes, concat, equal, sha256 } from "./bytes";
import { type Signed, verify, type VerifyKey } from "./cose";
import { Refused } from "./errors";
import { requireKeyHalf } from "./polynomials";
import { PROFILE } from "./profile";
import { SessionGrant } from "./session";
import { seedOf } from "./uniform";

/** Seconds; as `gateway/wire/freshness.py`. */
export const MAX_AGE = 15 * 60;
export const CLOCK_SKEW = 60;

/** What this client asked for, and whom it pins. */
export interface ExpectedSession {
  readonly authority: VerifyKey;
  readonly gateway: string;
  readonly device: string;
  readonly issuer: string;
  readonly clientNonce: Bytes;
}

/** A public key that the pinned authority granted for the expected session. */
export interface VerifiedSessionKey {
  readonly grant: Signed<SessionGrant>;
  /** b in its canonical encoding. */
  readonly b: Bytes;
  /** From which a is expanded (`uniform.ts`). */
  readonly aSeed: Bytes;
}

/**
 * Checks a grant and its key.
 *
 * @param now seconds since 1970.
 *
 * Throws `Malformed` for what is no valid encoding. Throws `Refused` if it is signed by another
 * key, for other parties, another nonce, profile or key, or not valid now: nothing may be encrypted
 * or sent then.
 */
export async function verifySessionKey(
  grant: Bytes,
  publicKey: Bytes,
  expected: ExpectedSession,
  now: number,
): Promise<VerifiedSessionKey> {
  const signed = await verify(grant, SessionGrant, expected.authority);
  const stated = signed.message;
  requireKeyHalf(publicKey);
  const aSeed = seedOf(stated.session, stated.clientNonce, stated.gatewayNonce);
  const checks = {
    profile: stated.profile === PROFILE,
    authority: stated.authority === expected.authority.party,
    gateway: stated.gateway === expected.gateway,
    device: stated.device === expected.device,
    issuer: stated.issuer === expected.issuer,
    nonce: equal(stated.clientNonce, expected.clientNonce),
    key: equal(stated.keyId, await sha256(concat(aSeed, publicKey))),
    expiry: now - CLOCK_SKEW < stated.expiresAt && stated.expiresAt <= now + MAX_AGE + CLOCK_SKEW,
  };
  for (const [what, holds] of Object.entries(checks)) {
    if (!holds) throw new Refused("session-key", { what });
  }
  return { grant: signed, b: publicKey, aSeed };
}
