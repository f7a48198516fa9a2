/** Opening a session: request, the authority's grant, the gateway's offer. */

import {
  consentTextVersion,
  digest,
  keyId,
  modelId,
  nonce,
  partyId,
  profileName,
  purpose,
  sessionId,
  signedBytes,
  unixTime,
} from "./fields";
import { exclusions } from "./liveness";
import {
  bytes,
  distinct,
  integer,
  list,
  message,
  nullable,
  type Of,
  oneOf,
  SMALL,
} from "./message";
import { LANES, PUBLIC_KEY_BYTES, T } from "./profile";

export const SessionRequest = message(
  "SessionRequest",
  {
    profile: profileName,
    gateway: partyId,
    device: partyId,
    issuer: partyId,
    clientNonce: nonce,
    purpose,
    consentTextVersion,
    exclusions,
  },
  { holds: (value) => distinct(value.exclusions.map((one) => one.kind)) },
);
export type SessionRequest = Of<typeof SessionRequest>;

/** Of which session something is, and between whom. */
export const scope = {
  profile: profileName,
  session: sessionId,
  gateway: partyId,
  authority: partyId,
  device: partyId,
  issuer: partyId,
} as const;

export const SessionGrant = message("SessionGrant", {
  ...scope,
  clientNonce: nonce,
  gatewayNonce: nonce,
  keyId,
  expiresAt: unixTime,
});
export type SessionGrant = Of<typeof SessionGrant>;

export const SessionOffer = message(
  "SessionOffer",
  {
    grant: signedBytes,
    publicKey: bytes(PUBLIC_KEY_BYTES),
    policy: bytes(1, 2048),
    challenge: nullable(bytes(0, 2048)),
  },
  { maxBytes: PUBLIC_KEY_BYTES + SMALL },
);
export type SessionOffer = Of<typeof SessionOffer>;

const MAX_WIDTH = 2 ** 12;
const bound = integer(1, Math.floor(T / 2) - 1);

export const LanePolicy = message(
  "LanePolicy",
  { lo: bound, hi: bound },
  { holds: ({ lo, hi }) => 1 <= hi - lo + 1 && hi - lo + 1 <= MAX_WIDTH },
);

export const assurance = oneOf("unsigned-default", "signed");

export const MatchPolicy = message("MatchPolicy", {
  policyId: modelId,
  assurance,
  modelId,
  modelDigest: digest,
  lanes: list(LanePolicy.field, LANES, LANES),
});
export type MatchPolicy = Of<typeof MatchPolicy>;
