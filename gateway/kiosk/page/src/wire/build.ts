/**
 * Offer and submission: what a client checks before it encrypts, and what it hands in afterwards
 * (protocol, section 8; `gateway/client/registration.py`, steps 2 and 5).
 */

import { type Bytes, equal, hex, randomBytes, sha256 } from "./bytes";
import { sign, type Signed, type SigningKey } from "./cose";
import { Refused } from "./errors";
import type { TemplateIssued } from "./issuer";
import { Challenge, LivenessTranscript } from "./liveness";
import { digestOf } from "./message";
import { requireCiphertext } from "./polynomials";
import { Opening } from "./proof";
import { sealProbe } from "./sealing";
import { MatchPolicy, SessionOffer } from "./session";
import { type ExpectedSession, type VerifiedSessionKey, verifySessionKey } from "./session-key";
import { activationCommitment, activationReference, erasureCommitment } from "./subject";
import {
  ConsentRecord,
  type FaceQuality,
  Submission,
  SubmissionAssertion,
} from "./submission";

/** An offer that was found to be for this session, these parties, and this face model. */
export interface VerifiedOffer {
  readonly key: VerifiedSessionKey;
  readonly challenge: Challenge | null;
}

/**
 * Checks an offer before anything is encrypted.
 *
 * @param policies SHA-256 of the match policies that this counter accepts, in hexadecimal.
 * @param modelDigest of the face model in use.
 *
 * Throws `Malformed` or `Refused`: then nothing may be submitted.
 */
export async function verifyOffer(
  offer: SessionOffer,
  expected: ExpectedSession,
  policies: readonly string[],
  modelDigest: Bytes,
  now: number,
): Promise<VerifiedOffer> {
  const key = await verifySessionKey(offer.grant, offer.publicKey, expected, now);
  if (!policies.includes(hex(await sha256(offer.policy)))) throw new Refused("policy-not-listed");
  if (!equal(MatchPolicy.decode(offer.policy).modelDigest, modelDigest)) {
    throw new Refused("policy-for-another-model");
  }
  const challenge = offer.challenge === null ? null : Challenge.decode(offer.challenge);
  if (challenge !== null && !equal(challenge.session, key.grant.message.session)) {
    throw new Refused("challenge-for-another-session");
  }
  return { key, challenge };
}

/** What a submission is made of, beside the offer. */
export interface Inputs {
  readonly issued: TemplateIssued;
  /** The probe's canonical ciphertext under the session's key. */
  readonly ciphertext: Bytes;
  /** What was seen of the challenge; null where none was made. */
  readonly transcript: LivenessTranscript | null;
  readonly consent: { readonly textVersion: number; readonly language: string };
  readonly activationReference: string;
  readonly purpose: string;
  readonly model: { readonly digest: Bytes; readonly quality: FaceQuality };
  readonly device: SigningKey;
  readonly agent: string;
  readonly outlet: string;
  /** The gateway's, 1216 bytes. */
  readonly sealingKey: Bytes;
  /** Seconds since 1970. */
  readonly now: number;
}

export interface BuiltSubmission {
  readonly submission: Submission;
  readonly assertion: Signed<SubmissionAssertion>;
  readonly encoded: Bytes;
  /** The subscriber's, encoded. */
  readonly opening: Bytes;
}

/** Seals the probe, signs the submission assertion, and puts everything together. */
export async function buildSubmission(
  key: VerifiedSessionKey,
  inputs: Inputs,
): Promise<BuiltSubmission> {
  const { session, keyId } = key.grant.message;
  const { issued, ciphertext, device, now, purpose, model } = inputs;
  requireCiphertext(ciphertext);
  const evidence = inputs.transcript && LivenessTranscript.encode(inputs.transcript);
  const consent = consentOf(inputs);
  const reference = activationReference(inputs.activationReference);
  const activationSalt = randomBytes(32);
  const assertion = await sign(
    SubmissionAssertion,
    {
      session,
      keyId,
      device: device.party,
      probeDigest: await sha256(ciphertext),
      templateAssertionDigest: await sha256(issued.assertion),
      modelDigest: model.digest,
      quality: model.quality,
      livenessEvidenceDigest: evidence && (await sha256(evidence)),
      consentDigest: await digestOf(ConsentRecord, consent),
      activationCommitment: await activationCommitment(reference, activationSalt),
      erasureCommitment: await erasureCommitment(issued.subjectSalt, activationSalt),
      purpose,
      agent: inputs.agent,
      outlet: inputs.outlet,
      capturedAt: now,
    },
    device,
  );
  const submission: Submission = {
    session,
    sealedTemplate: issued.sealedTemplate,
    sealedDealing: issued.sealedDealing,
    templateAssertion: issued.assertion,
    sealedProbe: await sealProbe(ciphertext, inputs.sealingKey, session, keyId),
    submissionAssertion: assertion.encoded,
    livenessEvidence: evidence,
    consent,
  };
  const opening = Opening.encode({
    subjectSalt: issued.subjectSalt,
    activationSalt,
    activationReference: reference,
    consent: ConsentRecord.encode(consent),
  });
  return { submission, assertion, encoded: Submission.encode(submission), opening };
}

function consentOf({ consent, purpose, now, issued }: Inputs): ConsentRecord {
  return {
    textVersion: consent.textVersion,
    language: consent.language,
    purpose,
    givenAt: now,
    salt: randomBytes(32),
    givenBy: issued.guardianCommitment === null ? "subject" : "guardian",
    guardianCommitment: issued.guardianCommitment,
  };
}
