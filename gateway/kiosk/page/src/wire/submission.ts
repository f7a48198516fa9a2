/** What issuer and device sign, and the submission that carries it (protocol, section 8). */

import {
  commitment,
  consentTextVersion,
  digest,
  documentType,
  keyId,
  modelId,
  partyId,
  purpose,
  salt,
  sessionId,
  signedBytes,
  unixTime,
} from "./fields";
import { EVIDENCE_BYTES } from "./liveness";
import { bytes, message, nullable, type Of, oneOf, SMALL, text } from "./message";
import { DEALING_BYTES, FRESH_BYTES } from "./profile";
import { OVERHEAD } from "./sealing";

const SEALED_TEMPLATE_BYTES = OVERHEAD + FRESH_BYTES + DEALING_BYTES;
const SEALED_PROBE_BYTES = OVERHEAD + FRESH_BYTES;
export const SEALED_DEALING_BYTES = OVERHEAD + DEALING_BYTES;

export const sealedTemplate = bytes(SEALED_TEMPLATE_BYTES);
export const sealedDealing = bytes(SEALED_DEALING_BYTES);

export const FaceQuality = message("FaceQuality", {
  outcome: oneOf("passed", "uncalibrated"),
  measures: text(/^[a-z][a-z-]*\/[0-9]{1,4}$/, 32),
  profileDigest: digest,
});
export type FaceQuality = Of<typeof FaceQuality>;

/** How the document's portrait came to its reader, by the issuer's word. */
export const portraitSource = oneOf("chip-verified", "mobile-verified", "read", "photographed");

export const TemplateAssertion = message("TemplateAssertion", {
  session: sessionId,
  keyId,
  issuer: partyId,
  templateDigest: digest,
  gatewayDealingDigest: digest,
  authorityDealingDigest: digest,
  modelId,
  modelDigest: digest,
  quality: FaceQuality.field,
  portraitSource,
  subjectInner: bytes(32),
  subjectCommitment: commitment,
  documentType,
  issuedAt: unixTime,
});
export type TemplateAssertion = Of<typeof TemplateAssertion>;

export const ConsentRecord = message(
  "ConsentRecord",
  {
    textVersion: consentTextVersion,
    language: text(/^[a-z]{2,3}$/, 3),
    purpose,
    givenAt: unixTime,
    salt,
    givenBy: oneOf("subject", "guardian"),
    guardianCommitment: nullable(commitment),
  },
  { holds: (value) => (value.givenBy === "guardian") === (value.guardianCommitment !== null) },
);
export type ConsentRecord = Of<typeof ConsentRecord>;

export const SubmissionAssertion = message("SubmissionAssertion", {
  session: sessionId,
  keyId,
  device: partyId,
  probeDigest: digest,
  templateAssertionDigest: digest,
  modelDigest: digest,
  quality: FaceQuality.field,
  livenessEvidenceDigest: nullable(digest),
  consentDigest: digest,
  activationCommitment: commitment,
  erasureCommitment: commitment,
  purpose,
  agent: partyId,
  outlet: partyId,
  capturedAt: unixTime,
});
export type SubmissionAssertion = Of<typeof SubmissionAssertion>;

export const Submission = message(
  "Submission",
  {
    session: sessionId,
    sealedTemplate,
    sealedDealing,
    templateAssertion: signedBytes,
    sealedProbe: bytes(SEALED_PROBE_BYTES),
    submissionAssertion: signedBytes,
    livenessEvidence: nullable(bytes(0, EVIDENCE_BYTES)),
    consent: ConsentRecord.field,
  },
  { maxBytes: SEALED_TEMPLATE_BYTES + SEALED_PROBE_BYTES + 2 * SMALL + EVIDENCE_BYTES },
);
export type Submission = Of<typeof Submission>;
