/** What the local process read is what the agent named, or it is not used; and how that is told. */

import { describe, expect, it } from "vitest";

import { SaysOtherwise } from "../../src/client/agreement";
import { Counter } from "../../src/counter/counter";
import { endingOf } from "../../src/counter/endings";
import { type OwnDocument, requireNamed, withGuardian } from "../../src/counter/named";
import type { ReadDocument } from "../../src/kiosk/local";
import { texts } from "../../src/liveness/limits";
import { type Case, LANGUAGES } from "../../src/screens/ports";
import { faultWords } from "../../src/screens/texts/faults";
import { Refused } from "../../src/wire/errors";
import { numberInZone } from "../../src/wire/number";
import { ReceiptInvalid } from "../../src/wire/receipt";

const PASSPORT = [
  "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
  "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
].join("\n");
const CARD = ["I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA"];
const LONG = ["I<UTOD23145890<7349<<<<<<<<<<<", ...CARD.slice(1)];
const TD2 = ["I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"];

const named: Case = {
  document: { kind: "passport", number: " x-123 4567 " },
  order: "",
  minor: false,
  guardian: null,
};
const read = {
  kind: "passport",
  number: "X1234567",
  minor: false,
  guardian: false,
} as ReadDocument;
const guardian = { kind: "passport", number: "gu4rd14n" };

function taken(asked: Partial<Case>, told: Partial<ReadDocument>): OwnDocument {
  const given = { ...named, ...asked };
  const own = withGuardian(given, { ...read, ...told });
  requireNamed(given, own);
  return own;
}

describe("a document that was read", () => {
  it("is the one that was typed, or whose zone was read", () => {
    expect(taken({}, {})).toEqual({ ...read, guardianNumber: null });
    const zone = { document: { kind: null, zone: PASSPORT } };
    expect(taken(zone, { number: "L898902C3" }).number).toBe("L898902C3");
    const chip = { document: { kind: "passport", chip: true } } as const;
    expect(taken(chip, { number: "QX7391" }).number).toBe("QX7391");
    const minor = taken({ minor: true, guardian }, { minor: true, guardian: true });
    expect(minor.guardianNumber).toBe("GU4RD14N");
  });

  it.each<[string, Partial<Case>, Partial<ReadDocument>]>([
    ["number", {}, { number: "X1234568" }],
    ["number", { document: { kind: null, zone: PASSPORT } }, {}],
    ["number", { document: { kind: null, zone: "" } }, {}],
    ["kind", {}, { kind: "id-card" }],
    ["minor", { minor: true }, {}],
    ["guardian", { minor: true, guardian }, { minor: true }],
    ["guardian", {}, { guardian: true }],
    ["kind", { document: { kind: "passport", chip: true } }, { kind: "id-card" }],
    ["guardianNumber", { minor: true, guardian: { kind: "passport", number: "?" } },
      { minor: true, guardian: true }],
  ])("is refused for another %s", (field, asked, told) => {
    expect(() => taken(asked, told))
      .toThrow(expect.objectContaining({ code: "reader-says-otherwise", field }));
  });
});

it("a document that is another one is forgotten in the process as well", async () => {
  const told = { ...read, handle: "00".repeat(16), notice: null, standing: null };
  const forgotten: string[] = [];
  const process = {
    readDocument: () => Promise.resolve(told),
    forgetDocument: async (handle: string) => void forgotten.push(handle),
  };
  const kiosk = { gateway: {}, documents: [], live: {}, model: {} };
  const given = [kiosk, process, {}, {}, {}] as unknown as ConstructorParameters<typeof Counter>;
  const counter = new Counter(...given);
  const { signal } = new AbortController();
  await expect(counter.readDocument(named, signal)).resolves.toMatchObject({ kind: "passport" });
  told.number = "X1234568";
  await expect(counter.readDocument(named, signal)).rejects.toMatchObject({
    ending: "refused",
    more: { code: "reader-says-otherwise", detail: "reader-says-otherwise: number" },
  });
  expect(forgotten).toEqual([told.handle]);
});

it.each<[string, string | null]>([
  [PASSPORT, "L898902C3"],
  [PASSPORT.replaceAll("<", "\uff1c").toLowerCase().replace("\n", "\r\n\n"), "L898902C3"],
  [[CARD[0], CARD[1], CARD[2]!.padEnd(30, "<")].join("\n"), "D23145890"],
  [[LONG[0], LONG[1], LONG[2]!.padEnd(30, "<")].join(""), "D23145890734"],
  [TD2.join("\n"), "D23145890"],
  ["", null],
  ["P<UTO", null],
])("the number in a zone is read", (zone, number) => {
  expect(numberInZone(zone)).toBe(number);
});

it("each way to notice a lie has its ending, its words and its field", () => {
  const told = (error: Error) => endingOf(error, "reference") as any;
  for (const [said, ending, advice] of [
    ["reader", "refused", null],
    ["challenge", "refused", "advice-exclusions-ignored"],
    ["issuer", "refused", null],
    ["statement", "unproven", null],
    ["decision", "unproven", null],
  ] as const) {
    const ended = told(new SaysOtherwise(said, "agent"));
    expect([ended.ending, ended.advice]).toEqual([ending, advice]);
    const code = `${said}-says-otherwise`;
    const values = { what: "agent" };
    expect(ended.more).toEqual({ reference: "reference", code, values, detail: `${code}: agent` });
    for (const language of LANGUAGES) expect(faultWords(code, values, language)).toBeTruthy();
    if (advice !== null) expect(texts.zh[advice]).toBeTruthy();
  }
  expect(told(new ReceiptInvalid(9, "log-did-not-sign")).ending).toBe("unproven");
  expect(told(new Refused("another-submission")).ending).toBe("unproven");
  expect(told(new Refused("gateway-refuses")).ending).toBe("refused");
});
