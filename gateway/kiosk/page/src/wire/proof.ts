/** What remains of a verification: statement, receipt, openings (protocol, section 10). */

import { hex } from "./bytes";
import {
  commitment,
  consentTextVersion,
  digest,
  keyId,
  modelId,
  partyId,
  purpose,
  recordId,
  salt,
  signedBytes,
  unixTime,
} from "./fields";
import { LivenessResult } from "./liveness";
import { bytes, integer, message, nullable, type Of, oneOf, SMALL, text } from "./message";
import { LANES } from "./profile";
import { assurance, scope } from "./session";
import { FaceQuality, portraitSource } from "./submission";

/** CWT claims (RFC 8392). */
const CLAIM_ISSUER = 1;
const CLAIM_SUBJECT = 2;
const MINUTE = 60;

export const Decision = message("Decision", {
  ...scope,
  keyId,
  lanes: integer(1, LANES),
  probeDigest: digest,
  templateDigest: digest,
  templateAssertionDigest: digest,
  submissionAssertionDigest: digest,
  policyDigest: digest,
  modelDigest: digest,
  evaluationDigest: digest,
  seedCommitment: commitment,
  outcome: oneOf("MATCH", "NO_MATCH"),
});
export type Decision = Of<typeof Decision>;

export const Statement = message(
  "Statement",
  {
    ...scope,
    recordId,
    kind: oneOf("decision"),
    agent: partyId,
    outlet: partyId,
    decidedAtMinute: unixTime,
    purpose,
    policyDigest: digest,
    policyAssurance: assurance,
    policyApproval: nullable(digest),
    modelId,
    portraitQuality: FaceQuality.field,
    portraitSource,
    liveQuality: FaceQuality.field,
    liveness: LivenessResult.field,
    consentDigest: digest,
    consentTextVersion,
    subjectCommitment: commitment,
    activationCommitment: commitment,
    erasureCommitment: commitment,
    decision: signedBytes,
    audit: nullable(signedBytes),
  },
  {
    holds: (value) =>
      value.decidedAtMinute % MINUTE === 0 &&
      (value.policyAssurance === "signed") === (value.policyApproval !== null),
    claims: (value) =>
      new Map([
        [CLAIM_ISSUER, value.gateway],
        [CLAIM_SUBJECT, hex(value.recordId)],
      ]),
  },
);
export type Statement = Of<typeof Statement>;

export const Receipt = message(
  "Receipt",
  { statement: signedBytes, logProof: nullable(bytes(0, 2 * SMALL)) },
  { maxBytes: 4 * SMALL },
);
export type Receipt = Of<typeof Receipt>;

const activationReference = text(/^[^]+$/u, 128);

/** Handed to the carrier's order system apart from the receipt; it opens no document. */
export const ActivationOpening = message("ActivationOpening", {
  recordId,
  activationSalt: salt,
  activationReference,
});
export type ActivationOpening = Of<typeof ActivationOpening>;

/** Handed to the subscriber apart from the receipt. */
export const Opening = message("Opening", {
  subjectSalt: salt,
  activationSalt: salt,
  activationReference,
  consent: nullable(bytes(1, 1024)),
});
export type Opening = Of<typeof Opening>;

/**
 * What statement and decision will say of one submission, as far as it is known before it leaves.
 * All of it will stand in the receipt; nothing of it shows a face.
 */
export const ExpectedStatement = message("ExpectedStatement", {
  ...scope,
  keyId,
  policyDigest: digest,
  policyAssurance: assurance,
  modelId,
  portraitQuality: FaceQuality.field,
  portraitSource,
  subjectCommitment: commitment,
  templateDigest: digest,
  templateAssertionDigest: digest,
  agent: partyId,
  outlet: partyId,
  purpose,
  liveQuality: FaceQuality.field,
  activationCommitment: commitment,
  erasureCommitment: commitment,
  probeDigest: digest,
  modelDigest: digest,
  submissionAssertionDigest: digest,
  consentDigest: digest,
  consentTextVersion,
  liveness: LivenessResult.field,
  /** By this counter's clock. No decision comes before. */
  capturedAt: unixTime,
});
export type ExpectedStatement = Of<typeof ExpectedStatement>;

/** What a counter keeps of a submission until it knows the outcome. */
export const PendingReceipt = message("PendingReceipt", {
  expected: ExpectedStatement.field,
  opening: signedBytes,
  sentAt: unixTime,
});
export type PendingReceipt = Of<typeof PendingReceipt>;
