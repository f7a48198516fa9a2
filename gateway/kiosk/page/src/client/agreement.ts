/**
 * What the page compares before it believes what others say of its registration.
 *
 * Signatures show who says something, and not that it is true. A gateway can sign a statement of
 * its own invention around an honest decision, and nobody but the counter can tell: it alone knows
 * what was asked for, read and sent. `gateway/client/agreement.py` makes the same comparisons, and
 * lists for each field whose word it is.
 */

import type { BuiltSubmission, VerifiedOffer } from "../wire/build";
import { equal, sha256 } from "../wire/bytes";
import { peek } from "../wire/cose";
import { Refused } from "../wire/errors";
import type { TemplateIssued } from "../wire/issuer";
import { type Challenge, type Exclusion, resultOf } from "../wire/liveness";
import {
  type Decision,
  ExpectedStatement,
  type PendingReceipt,
  type Statement,
} from "../wire/proof";
import { requireAbout, type VerifiedReceipt } from "../wire/receipt";
import { MatchPolicy, type SessionOffer } from "../wire/session";
import { CLOCK_SKEW, MAX_AGE, type VerifiedSessionKey } from "../wire/session-key";
import { isGuardian, type Subject, subjectCommitment } from "../wire/subject";
import { TemplateAssertion } from "../wire/submission";

export type Said = "reader" | "challenge" | "issuer" | "statement" | "decision";

/** Somebody's word is not what this counter asked for, read or sent. */
export class SaysOtherwise extends Refused {
  constructor(
    readonly said: Said,
    readonly field: string,
  ) {
    super(`${said}-says-otherwise`, { what: field });
  }
}

/** A document as the local process read it. */
export interface DocumentOnRecord extends Subject {
  /** How its portrait was authenticated. */
  readonly how: string;
  /** The number of the document of a guardian who agrees in a minor's place; null: nobody does. */
  readonly guardianNumber: string | null;
}

/** Throws `SaysOtherwise` unless a challenge leaves out what was asked for, as it was asked. */
export function requireExcluded(challenge: Challenge | null, asked: readonly Exclusion[]): void {
  const inForm = ({ kind, reason }: Exclusion) => ({ kind, reason });
  if (challenge !== null && !alike(challenge.excluded.map(inForm), asked.map(inForm))) {
    throw new SaysOtherwise("challenge", "excluded");
  }
}

/**
 * Throws `SaysOtherwise` unless what the issuer handed over is about this session and the document
 * that was read, and about the guardian who was named.
 */
export async function requireIssued(
  issued: TemplateIssued,
  key: VerifiedSessionKey,
  modelDigest: Uint8Array,
  document: DocumentOnRecord,
): Promise<void> {
  const stated = peek(issued.assertion, TemplateAssertion);
  const { session, keyId, issuer } = key.grant.message;
  compare("issuer", stated, {
    session,
    keyId,
    issuer,
    modelDigest,
    portraitSource: document.how,
    documentType: document.documentType,
    subjectCommitment: await subjectCommitment(document, issued.subjectSalt),
  });
  const { guardianCommitment: commitment, subjectSalt } = issued;
  const { guardianNumber } = document;
  const isOurs =
    commitment === null || guardianNumber === null
      ? commitment === guardianNumber
      : await isGuardian(commitment, guardianNumber, subjectSalt);
  if (!isOurs) throw new SaysOtherwise("issuer", "guardianCommitment");
}

/** What the receipt will say, as far as it is known before the submission leaves. */
export async function expectedOf(
  offer: SessionOffer,
  { key, challenge }: VerifiedOffer,
  issued: TemplateIssued,
  built: BuiltSubmission,
): Promise<ExpectedStatement> {
  const { clientNonce, gatewayNonce, expiresAt, ...scope } = key.grant.message;
  const stated = peek(issued.assertion, TemplateAssertion);
  const own = built.assertion.message;
  const expected = {
    ...scope,
    policyDigest: await sha256(offer.policy),
    policyAssurance: MatchPolicy.decode(offer.policy).assurance,
    modelId: stated.modelId,
    portraitQuality: stated.quality,
    portraitSource: stated.portraitSource,
    subjectCommitment: stated.subjectCommitment,
    templateDigest: stated.templateDigest,
    templateAssertionDigest: own.templateAssertionDigest,
    agent: own.agent,
    outlet: own.outlet,
    purpose: own.purpose,
    liveQuality: own.quality,
    activationCommitment: own.activationCommitment,
    erasureCommitment: own.erasureCommitment,
    probeDigest: own.probeDigest,
    modelDigest: own.modelDigest,
    submissionAssertionDigest: await sha256(built.assertion.encoded),
    consentDigest: own.consentDigest,
    consentTextVersion: built.submission.consent.textVersion,
    liveness: resultOf(challenge, own.livenessEvidenceDigest),
    capturedAt: own.capturedAt,
  };
  return ExpectedStatement.decode(ExpectedStatement.encode(expected)); // in its one form
}

const MINUTE = 60;
/** Seconds from a capture to its decision, at most, as `gateway/client/agreement.py` has it. */
const LONGEST_DECISION = 2 * MAX_AGE;

/**
 * Throws `Refused` unless a verified receipt is about this very submission, agrees with the
 * gateway's answer, and says of it what was known before.
 *
 * @param now seconds since 1970.
 */
export function requireOwn(
  { expected }: Pick<PendingReceipt, "expected">,
  answer: { readonly outcome: string; readonly recordId: Uint8Array<ArrayBuffer> },
  verified: VerifiedReceipt,
  now: number,
): void {
  requireAbout(expected.submissionAssertionDigest, answer, verified);
  const { statement, decision } = verified;
  const { capturedAt, ...known } = expected;
  compare("statement", statement, held(known, statement));
  compare("decision", decision, held(known, decision));
  const minute = statement.decidedAtMinute;
  const earliest = capturedAt - CLOCK_SKEW - MINUTE;
  const latest = Math.min(now, capturedAt + LONGEST_DECISION) + CLOCK_SKEW;
  if (minute <= earliest || minute > latest) throw new SaysOtherwise("statement", "time");
}

/** Of what is known, what this message says too. */
const held = (known: object, message: Statement | Decision): Record<string, unknown> =>
  Object.fromEntries(Object.entries(known).filter(([field]) => field in message));

function compare(said: Said, stated: object, expected: Record<string, unknown>): void {
  const told = stated as Record<string, unknown>;
  for (const [field, value] of Object.entries(expected)) {
    if (!alike(told[field], value)) throw new SaysOtherwise(said, field);
  }
}

/** Whether two values of fields are equal: bytes, lists and messages part by part. */
function alike(one: unknown, other: unknown): boolean {
  if (one instanceof Uint8Array && other instanceof Uint8Array) return equal(one, other);
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return one === other;
  }
  const own = Object.entries(one);
  const theirs = new Map<string, unknown>(Object.entries(other));
  const isSame = ([key, part]: [string, unknown]): boolean =>
    theirs.has(key) && alike(part, theirs.get(key));
  return own.length === theirs.size && own.every(isSame);
}
