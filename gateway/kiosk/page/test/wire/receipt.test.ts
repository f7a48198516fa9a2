/** A receipt is taken only if every step passes, and only by the opening that belongs to it. */

import { beforeAll, describe, expect, it } from "vitest";

import { type Bytes, hex, sha256, unhex } from "../../src/wire/bytes";
import { peek, sign, type SigningKey } from "../../src/wire/cose";
import { Refused } from "../../src/wire/errors";
import { Decision, Opening, Receipt, Statement } from "../../src/wire/proof";
import { type Pins, requireAbout, verifyReceipt } from "../../src/wire/receipt";
import { keyOfSeed } from "./keys";
import { cborOf, shake, vector } from "./vectors";

/** Names of the steps, as `gateway/proofs/verify.py` numbers them. */
const STEPS = {
  1: "receipt is well-formed",
  2: "statement is signed by the pinned gateway",
  3: "decision is signed by the pinned authority",
  4: "statement and decision agree",
  5: "match policy is accepted",
  6: "log proof is there",
  7: "checkpoint is signed by a pinned log",
  8: "enough pinned witnesses cosigned",
  9: "statement is in the log",
  12: "audit",
  13: "match policy is signed by two operators",
};
const SUBJECT = { documentType: "passport", number: "X1234567" };

const [gatewayOf, authorityOf] = ["statement", "decision"].map(
  (name) => vector(`signed/${name}.json`).key,
);
const golden = Receipt.field.read(cborOf(vector("messages/receipt.json").cases[0].value))!;
const opening = Opening.field.read(cborOf(vector("messages/opening.json").cases[0].value))!;
const stated = peek(golden.statement, Statement);
const decided = peek(stated.decision, Decision);

let pins: Pins;
let gateway: SigningKey;
let authority: SigningKey;

beforeAll(async () => {
  gateway = await keyOfSeed(gatewayOf.party, unhex(gatewayOf.seed));
  authority = await keyOfSeed(authorityOf.party, unhex(authorityOf.seed));
  pins = {
    gateways: [{ party: gateway.party, publicKey: gatewayOf.publicKey }],
    authorities: [{ party: authority.party, publicKey: authorityOf.publicKey }],
    auditors: [],
    supervisors: [],
    policies: [hex(stated.policyDigest)],
    operators: [],
    approvals: [],
    log: null,
  };
});

/** A receipt with other words, signed by its own parties. */
async function receiptOf(
  statement: Partial<Statement> = {},
  decision: Partial<Decision> = {},
  signer = gateway,
): Promise<Bytes> {
  const inner = await sign(Decision, { ...decided, ...decision }, authority);
  const whole = { ...stated, decision: inner.encoded, ...statement };
  const outer = await sign(Statement, whole, signer);
  return Receipt.encode({ statement: outer.encoded, logProof: null });
}

const check = (encoded: Bytes, own = opening, subject = SUBJECT, trusted = pins) =>
  verifyReceipt(encoded, trusted, STEPS, Opening.encode(own), subject);

it("takes the golden receipt with its opening", async () => {
  const verified = await check(Receipt.encode(golden));
  expect(verified.statementDigest).toEqual(await sha256(golden.statement));
  expect(verified.statement).toEqual(stated);
  expect([...verified.notes.keys()]).toEqual([1, 2, 3, 4, 5, 6, 12, 13, 10, 11]);
  await expect(check(await receiptOf())).resolves.toBeDefined();
});

describe("a receipt fails", () => {
  const other = shake("another", 32);

  it.each<[number, string, () => Promise<Bytes> | Bytes]>([
    [1, "cut short", () => Receipt.encode(golden).slice(0, -1)],
    [1, "of bytes that are no signature", () =>
      Receipt.encode({ statement: other, logProof: null })],
    [2, "signed by a stranger in the gateway's name", async () =>
      receiptOf({}, {}, await keyOfSeed(gateway.party, other))],
    [2, "of a gateway that is not pinned", () => receiptOf({ gateway: "another" })],
    [3, "with a stranger's decision", async () => {
      const forged = await sign(Decision, decided, await keyOfSeed(authority.party, other));
      return receiptOf({ decision: forged.encoded });
    }],
    [4, "whose decision is of another session", () => receiptOf({}, { session: shake("s", 16) })],
    [5, "under another policy", () => receiptOf({ policyDigest: other }, { policyDigest: other })],
    [5, "about one lane", () => receiptOf({}, { lanes: 1 })],
    [10, "of another document", () => receiptOf({ subjectCommitment: other })],
    [10, "of another consent", () => receiptOf({ consentDigest: other })],
    [11, "of another activation", () => receiptOf({ activationCommitment: other })],
    [11, "that could never be erased", () => receiptOf({ erasureCommitment: other })],
  ])("at step %d: %s", async (number, _, made) => {
    await expect(check(await made())).rejects.toMatchObject({ name: "ReceiptInvalid", number });
  });

  it("for another document, another salt, or without the proof of a pinned log", async () => {
    const encoded = Receipt.encode(golden);
    const failing = (number: number) => ({ name: "ReceiptInvalid", number });
    const another = { ...SUBJECT, number: "X1234568" };
    await expect(check(encoded, opening, another)).rejects.toMatchObject(failing(10));
    const salted = { ...opening, activationSalt: other };
    await expect(check(encoded, salted)).rejects.toMatchObject(failing(11));
    const log = { logs: [], witnesses: [], groups: [], quorum: "none" };
    const logging = { ...pins, log };
    await expect(check(encoded, opening, SUBJECT, logging)).rejects.toMatchObject(failing(6));
  });
});

it("is about one submission, one outcome and one record", async () => {
  const verified = await check(Receipt.encode(golden));
  const { submissionAssertionDigest: own, outcome } = decided;
  const { recordId } = stated;
  expect(() => requireAbout(own, { outcome, recordId }, verified)).not.toThrow();
  const contrary = outcome === "MATCH" ? "NO_MATCH" : "MATCH";
  for (const [digest, answer] of [
    [shake("another", 32), { outcome, recordId }],
    [own, { outcome: contrary, recordId }],
    [own, { outcome, recordId: shake("another", 16) }],
  ] as const) {
    expect(() => requireAbout(digest, answer, verified)).toThrow(Refused);
  }
});
