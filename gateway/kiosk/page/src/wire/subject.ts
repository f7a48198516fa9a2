/**
 * Commitments and what opens them (protocol, section 10). The page makes those that rest on what
 * it knows itself; the document's are the issuer's.
 */

import { trimmed } from "virtual:receipt-checks";

import { type Bytes, concat, equal, sha256, utf8 } from "./bytes";
import { Misuse } from "./errors";
import { DOCUMENT_TYPES } from "./fields";

const ACTIVATION_LABEL = "sealmatch/activation-commitment/1";
const SUBJECT_LABEL = "sealmatch/subject/1";
const SUBJECT_COMMITMENT_LABEL = "sealmatch/subject-commitment/1";
const GUARDIAN_SALT_LABEL = "sealmatch/guardian-salt/1";
const ERASURE_SECRET_LABEL = "sealmatch/erasure-secret/1";
const ERASURE_LOCK_LABEL = "sealmatch/erasure-lock/1";
const REFERENCE_BYTES = 128;

const SURROGATE = /\p{Surrogate}/u;

/**
 * The number or order to be activated, as it is committed to: without blanks at its ends.
 *
 * Throws `Misuse` for an empty one, or one longer than 128 bytes in UTF-8.
 */
export function activationReference(written: string): string {
  const reference = trimmed(written);
  const { length } = utf8(reference.normalize("NFC"));
  if (SURROGATE.test(reference) || length < 1 || length > REFERENCE_BYTES) {
    throw new Misuse("not-a-reference");
  }
  return reference;
}

/** Commits to the number or order to be activated, under a salt of 32 bytes. */
export const activationCommitment = (reference: string, salt: Bytes): Promise<Bytes> =>
  labelled(ACTIVATION_LABEL, salt, utf8(activationReference(reference).normalize("NFC")));

/** What the statement says about the secret with which an opening's holder has it erased. */
export async function erasureCommitment(subjectSalt: Bytes, activationSalt: Bytes): Promise<Bytes> {
  const secret = await labelled(ERASURE_SECRET_LABEL, subjectSalt, activationSalt);
  return labelled(ERASURE_LOCK_LABEL, secret);
}

/** A document as its number is normalised. */
export interface Subject {
  readonly documentType: string;
  readonly number: string;
}

/** Commits to a document under a salt of 32 bytes. */
export function subjectCommitment({ documentType, number }: Subject, salt: Bytes): Promise<Bytes> {
  const subject = concat(utf8(`${SUBJECT_LABEL}\0`), prefixed(documentType), prefixed(number));
  return labelled(SUBJECT_COMMITMENT_LABEL, salt, subject);
}

/** Whether a guardian's commitment is to the document with this number, of whatever kind. Its salt
 * follows from the subject's. */
export async function isGuardian(
  commitment: Bytes,
  number: string,
  subjectSalt: Bytes,
): Promise<boolean> {
  const salt = await labelled(GUARDIAN_SALT_LABEL, subjectSalt);
  const subjects = DOCUMENT_TYPES.map((documentType) => ({ documentType, number }));
  const claims = await Promise.all(subjects.map((subject) => subjectCommitment(subject, salt)));
  return claims.some((claimed) => equal(claimed, commitment));
}

function prefixed(text: string): Bytes {
  const encoded = utf8(text);
  return concat(Uint8Array.of(encoded.length >> 8, encoded.length & 255), encoded);
}

const labelled = (label: string, ...parts: Bytes[]): Promise<Bytes> =>
  sha256(utf8(`${label}\0`), ...parts);
