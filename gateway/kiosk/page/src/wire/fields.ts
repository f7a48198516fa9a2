/** Identifiers and other fields that many messages have (`gateway/wire/ids.py`). */

import { bytes, integer, oneOf, SMALL, text } from "./message";

export const sessionId = bytes(16);
export const recordId = bytes(16);
export const nonce = bytes(32);
export const digest = bytes(32);
export const commitment = bytes(32);
export const salt = bytes(32);
export const keyId = bytes(32);

/** An encoded COSE_Sign1. */
export const signedBytes = bytes(1, SMALL);

/** An enrolment name or a pseudonym. */
export const partyId = text(/^[a-z0-9][a-z0-9.-]{0,62}$/, 63);
export const modelId = text(/^[a-z0-9][a-z0-9./_-]*$/, 64);
export const purpose = text(/^[a-z][a-z-]*$/, 40);
export const profileName = text(/^[a-z0-9-]+$/, 32);

/** Whole seconds since 1970-01-01T00:00:00Z. */
export const unixTime = integer(0, 2 ** 40 - 1);
export const consentTextVersion = integer(1, 2 ** 31 - 1);

export const DOCUMENT_TYPES = [
  "passport",
  "id-card",
  "residence-permit",
  "driving-licence",
  "travel-permit",
  "other",
] as const;
export const documentType = oneOf(...DOCUMENT_TYPES);
