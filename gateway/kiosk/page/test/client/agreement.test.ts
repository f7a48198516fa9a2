/** A client believes no word that is not what was asked for, read or sent, and names the field. */

import { beforeAll, describe, expect, it } from "vitest";

import { requireExcluded, requireIssued, requireOwn } from "../../src/client/agreement";
import { type Bytes, sha256 } from "../../src/wire/bytes";
import { peek, sign } from "../../src/wire/cose";
import { Refused } from "../../src/wire/errors";
import type { TemplateIssued } from "../../src/wire/issuer";
import { Challenge, type Exclusion, LivenessResult, resultOf } from "../../src/wire/liveness";
import { Decision, ExpectedStatement, Opening, Receipt, Statement } from "../../src/wire/proof";
import type { VerifiedReceipt } from "../../src/wire/receipt";
import { SessionGrant } from "../../src/wire/session";
import type { VerifiedSessionKey } from "../../src/wire/session-key";
import { TemplateAssertion } from "../../src/wire/submission";
import { keyOfSeed } from "../wire/keys";
import { cborOf, shake, vector } from "../wire/vectors";

const golden = <T>(type: { field: { read(value: any): T | undefined } }, name: string, at = 0): T =>
  type.field.read(cborOf(vector(`messages/${name}.json`).cases[at].value))!;

const receipt = golden(Receipt, "receipt");
const statement = peek(receipt.statement, Statement);
const decision = peek(statement.decision, Decision);
const verified = { statement, decision } as VerifiedReceipt;
const answer = { outcome: decision.outcome, recordId: statement.recordId };
const known = { ...statement, ...decision, capturedAt: statement.decidedAtMinute + 30 };
const expected = ExpectedStatement.field.read(ExpectedStatement.field.write(known))!;
const NOW = known.capturedAt + 5;

const IN_STATEMENT = Object.keys(expected).filter((field) => field in statement);
const IN_DECISION = Object.keys(expected).filter((field) => field in decision);

function another(value: unknown): unknown {
  if (value instanceof Uint8Array) return value.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
  if (typeof value === "number") return value + 1;
  return typeof value === "string" ? `${value}-other` : { ...(value as object), outcome: "other" };
}

describe("a receipt", () => {
  it("that says what was sent is believed", () => {
    expect(() => requireOwn({ expected }, answer, verified, NOW)).not.toThrow();
    expect(IN_STATEMENT.length + IN_DECISION.length).toBeGreaterThan(27);
    const fields = new Set([...IN_STATEMENT, ...IN_DECISION, "capturedAt"]);
    expect([...fields].sort()).toEqual(Object.keys(expected).sort());
  });

  it("is that of the gateway's answer", () => {
    const contrary = answer.outcome === "MATCH" ? "NO_MATCH" : "MATCH";
    for (const other of [
      { ...answer, outcome: contrary },
      { ...answer, recordId: shake("record", 16) },
    ]) {
      expect(() => requireOwn({ expected }, other, verified, NOW))
        .toThrow(expect.objectContaining({ code: "another-submission" }));
    }
  });

  it.each(IN_STATEMENT)("whose statement has another %s is not", (field) => {
    const lie = { ...statement, [field]: another(statement[field as keyof Statement]) };
    const told = { ...verified, statement: lie as Statement };
    expect(() => requireOwn({ expected }, answer, told, NOW))
      .toThrow(expect.objectContaining({ code: "statement-says-otherwise", field }));
  });

  it.each(IN_DECISION)("whose decision has another %s is not", (field) => {
    const lie = { ...decision, [field]: another(decision[field as keyof Decision]) };
    const own = field === "submissionAssertionDigest"; // this one is asked of first
    expect(() => requireOwn({ expected }, answer, { ...verified, decision: lie as Decision }, NOW))
      .toThrow(own ? Refused : expect.objectContaining({ code: "decision-says-otherwise", field }));
  });

  it.each<[number, number, boolean]>([
    [0, 0, true],
    [-60, 0, true],
    [60, 0, true],
    [-180, 0, false],
    [180, 0, false],
    [86_400, 0, false],
    [1800, 86_400, true],
    [1920, 86_400, false],
    [86_400, 86_400, false],
  ])("of %d seconds off, fetched %d later: %s", (seconds, later, holds) => {
    const decidedAtMinute = statement.decidedAtMinute + seconds;
    const told = { ...verified, statement: { ...statement, decidedAtMinute } };
    const compared = (): void => requireOwn({ expected }, answer, told, NOW + later);
    if (holds) expect(compared).not.toThrow();
    else expect(compared).toThrow(expect.objectContaining({ field: "time" }));
  });
});

describe("a challenge", () => {
  const challenge = golden(Challenge, "challenge");
  const blink: Exclusion = { kind: "blink", reason: "cannot-perform" };

  it("leaves out what was asked for, as it was asked", () => {
    const asked = [blink, { kind: "count", reason: "cannot-be-seen" }] as const;
    requireExcluded({ ...challenge, excluded: asked }, asked);
    requireExcluded(null, asked);
    for (const excluded of [
      [],
      [blink],
      [...asked, { kind: "open-mouth", reason: "cannot-perform" }] as const,
      [{ ...blink, reason: "not-recognised" }, asked[1]] as const,
    ]) {
      expect(() => requireExcluded({ ...challenge, excluded }, asked))
        .toThrow(expect.objectContaining({ code: "challenge-says-otherwise", field: "excluded" }));
    }
  });

  it("and its answer tell what a statement will say", () => {
    const evidence = shake("evidence", 32);
    const { actions: asked, excluded, passive } = challenge;
    const passed: LivenessResult =
      { outcome: "passed", asked, excluded, passive, evidenceDigest: evidence };
    const none = { asked: [], excluded, passive: "off", evidenceDigest: null } as const;
    expect(resultOf(challenge, evidence)).toEqual(passed);
    expect(resultOf(challenge, null)).toEqual({ ...none, outcome: "not-performed" });
    const nothing = { ...challenge, actions: [] };
    expect(resultOf(nothing, null)).toEqual({ ...none, outcome: "not-possible" });
    expect(resultOf(null, null)).toEqual({ ...none, excluded: [], outcome: "not-performed" });
  });
});

describe("what an issuer hands over", () => {
  const { subjectSalt } = golden(Opening, "opening");
  const stated = golden(TemplateAssertion, "template-assertion");
  const grant = golden(SessionGrant, "session-grant");
  const key = { grant: { message: grant } } as VerifiedSessionKey;
  const { guardianCommitment, guardianNumber } = vector("subject.json");
  const document = {
    documentType: stated.documentType,
    number: "X1234567",
    how: stated.portraitSource,
    guardianNumber: null as string | null,
  };
  const issued = async (lie: object, guardian: Bytes | null): Promise<TemplateIssued> => {
    const issuer = await keyOfSeed("issuer", shake("issuer", 32));
    const { encoded } = await sign(TemplateAssertion, { ...stated, ...lie }, issuer);
    return { assertion: encoded, subjectSalt, guardianCommitment: guardian } as TemplateIssued;
  };
  const requires = async (lie: object, read: object = {}, guardian: Bytes | null = null) =>
    requireIssued(await issued(lie, guardian), key, stated.modelDigest, { ...document, ...read });
  let other: Bytes;
  const committed = Uint8Array.from(Buffer.from(guardianCommitment, "hex"));
  beforeAll(async () => void (other = await sha256(shake("other", 32))));

  it("is of this session, and of the document and guardian that were read", async () => {
    await requires({});
    await requires({}, { guardianNumber }, committed);
  });

  it.each<[string, () => Promise<void>]>([
    ["session", () => requires({ session: shake("s", 16) })],
    ["keyId", () => requires({ keyId: other })],
    ["issuer", () => requires({ issuer: "reader-other" })],
    ["modelDigest", () => requires({ modelDigest: other })],
    ["portraitSource", () => requires({}, { how: "photographed" })],
    ["documentType", () => requires({ documentType: "id-card" })],
    ["subjectCommitment", () => requires({ subjectCommitment: other })],
    ["subjectCommitment", () => requires({}, { number: "X1234568" })],
    ["guardianCommitment", () => requires({}, { guardianNumber })],
    ["guardianCommitment", () => requires({}, {}, committed)],
    ["guardianCommitment", () => requires({}, { guardianNumber }, other)],
    ["guardianCommitment", () => requires({}, { guardianNumber: "GU4RD15N" }, committed)],
  ])("is refused for another %s", async (field, required) => {
    await expect(required()).rejects.toMatchObject({ code: "issuer-says-otherwise", field });
  });
});
