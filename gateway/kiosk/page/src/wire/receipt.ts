/**
 * A receipt, checked as any stranger would check it, and whether it is about one's own submission.
 *
 * The checks are those of the offline check page (`gateway/proofs/page`): the very same code, with
 * the same numbers. Here every field is read strictly before, and the subscriber's opening opens
 * document, activation, consent and erasure afterwards.
 */

import {
  checkActivation,
  checkSubject,
  type Finding,
  Invalid,
  readOpening,
  verifyReceipt as runChecks,
} from "virtual:receipt-checks";

import { type Bytes, equal, sha256 } from "./bytes";
import { peek } from "./cose";
import { Fault, Refused, type Values } from "./errors";
import { Decision, Opening, Receipt, Statement } from "./proof";
import { erasureCommitment, type Subject } from "./subject";

/** Whom a verifier pins, in the form of the offline check page; keys and digests in hexadecimal. */
export interface Pins {
  readonly gateways: readonly Pinned[];
  readonly authorities: readonly Pinned[];
  readonly auditors: readonly Pinned[];
  readonly supervisors: readonly Pinned[];
  readonly policies: readonly string[];
  readonly operators: readonly Pinned[];
  readonly approvals: readonly string[];
  readonly log: unknown;
}

export interface Pinned {
  readonly party: string;
  readonly publicKey: string;
}

/** Steps of the check by number, as `gateway.proofs.verify.STEPS` names them. */
export type Steps = Readonly<Record<string, string>>;

const WELL_FORMED = 1;
const SUBJECT = 10;
const ACTIVATION = 11;

/** A step failed. `number` and `code` are those of the check page, which has words for both. */
export class ReceiptInvalid extends Fault {
  constructor(
    readonly number: number,
    code: string,
    values: Values = {},
  ) {
    super(code, values);
  }
}

export interface VerifiedReceipt {
  readonly statement: Statement;
  readonly decision: Decision;
  /** SHA-256 of the signed statement: the log's entry. */
  readonly statementDigest: Bytes;
  /** What each step found, by its number. */
  readonly notes: ReadonlyMap<number, Finding>;
}

/**
 * Checks a receipt, and that this opening opens it.
 *
 * @param subject the document; null where its number is not known any more: then that step is not
 *   performed.
 *
 * Throws `ReceiptInvalid` at the first step that fails.
 */
export async function verifyReceipt(
  encoded: Bytes,
  pins: Pins,
  steps: Steps,
  opening: Bytes,
  subject: Subject | null,
): Promise<VerifiedReceipt> {
  const { receipt, statement, decision } = read(encoded);
  const numbers = Object.fromEntries(Object.entries(steps).map(([n, name]) => [name, Number(n)]));
  const notes = new Map<number, Finding>();
  const { statement: stated } = await runChecks(encoded, pins, numbers, (number, finding) => {
    notes.set(number, finding);
  }).catch((error: unknown) => {
    throw isFailure(error) ? new ReceiptInvalid(error.step, error.code, error.values) : error;
  });
  const fields = await at(SUBJECT, async () => {
    const read = readOpening(opening);
    if (subject !== null) await checkSubject(stated, read, subject.documentType, subject.number);
    return read;
  });
  await at(ACTIVATION, () => checkActivation(stated, fields));
  const { subjectSalt, activationSalt } = Opening.decode(opening);
  const erasure = await erasureCommitment(subjectSalt, activationSalt);
  if (!equal(erasure, statement.erasureCommitment)) {
    throw new ReceiptInvalid(ACTIVATION, "other-opening");
  }
  for (const step of subject === null ? [ACTIVATION] : [SUBJECT, ACTIVATION]) notes.set(step, { state: "done", code: "by-opening" });
  return { statement, decision, statementDigest: await sha256(receipt.statement), notes };
}

/** Throws `Refused` unless a verified receipt agrees with the gateway's answer and is about the
 * submission that the device signed in this assertion. */
export function requireAbout(
  assertionDigest: Bytes,
  answer: { readonly outcome: string; readonly recordId: Bytes },
  { decision, statement }: VerifiedReceipt,
): void {
  const about =
    equal(decision.submissionAssertionDigest, assertionDigest) &&
    decision.outcome === answer.outcome &&
    equal(statement.recordId, answer.recordId);
  if (!about) throw new Refused("another-submission");
}

/** Every field, read strictly; nothing is verified yet. */
function read(encoded: Bytes): { receipt: Receipt; statement: Statement; decision: Decision } {
  try {
    const receipt = Receipt.decode(encoded);
    const statement = peek(receipt.statement, Statement);
    return { receipt, statement, decision: peek(statement.decision, Decision) };
  } catch (error) {
    throw error instanceof Fault ? new ReceiptInvalid(WELL_FORMED, "not-a-receipt") : error;
  }
}

async function at<T>(number: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof Invalid ? new ReceiptInvalid(number, error.code, error.values) : error;
  }
}

interface Failure {
  step: number;
  code: string;
  values: Values;
}

const isFailure = (error: unknown): error is Failure =>
  typeof error === "object" && error !== null && "step" in error && "code" in error;
