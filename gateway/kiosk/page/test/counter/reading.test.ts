/** What is asked of the reader, and what comes back of it. */

import { expect, it, vi } from "vitest";

import { NoDecision } from "../../src/client/faults";
import { Counter } from "../../src/counter/counter";
import { endingOf } from "../../src/counter/endings";
import { GONE, KioskProblem, LocalProcess } from "../../src/kiosk/local";
import { Ended, type Case, type NamedDocument } from "../../src/screens/ports";
import { Refused } from "../../src/wire/errors";

function counterAt(reads: object = {}) {
  const asked: unknown[] = [];
  const kiosk = { gateway: {}, documents: [], live: {}, model: {}, language: "es" };
  const read = { handle: "00".repeat(16), kind: "id-card", number: "X1234567", minor: false, guardian: false, notice: null, standing: null };
  const process = { readDocument: (one: unknown) => (asked.push(one), Promise.resolve(read)), ...reads };
  const given = [kiosk, process, {}, { forget: () => undefined }, {}] as unknown as ConstructorParameters<typeof Counter>;
  return { asked, counter: new Counter(...given) };
}

const named = (document: NamedDocument): Case => ({ document, order: "", minor: false, guardian: null });
const { signal } = new AbortController();

it("a number that is left to the chip is not asked for, and comes back to be compared", async () => {
  const { asked, counter } = counterAt();
  const read = await counter.readDocument(named({ kind: "id-card", chip: true }), signal);
  expect(asked).toEqual([{ kind: "id-card", language: "es", minor: false }]);
  expect(read.number).toBe("X1234567");
});

it("a number that was typed is not shown again", async () => {
  const { asked, counter } = counterAt();
  const read = await counter.readDocument(named({ kind: "id-card", number: "X1234567" }), signal);
  expect(asked).toEqual([{ kind: "id-card", number: "X1234567", language: "es", minor: false }]);
  expect(read.number).toBeNull();
});

it("a document that was left while it was read takes no later customer's place", async () => {
  const answers: ((read: unknown) => void)[] = [];
  const forgotten: string[] = [];
  const process = {
    readDocument: () => new Promise((done) => answers.push(done)),
    forgetDocument: async (handle: string) => void forgotten.push(handle),
  };
  const { counter } = counterAt(process);
  const chip = named({ kind: "id-card", chip: true });
  const leaving = new AbortController();
  const left = expect(counter.readDocument(chip, leaving.signal)).rejects.toMatchObject({ name: "AbortError" });
  leaving.abort();
  counter.forget();
  const next = counter.readDocument(chip, signal);
  const read = { kind: "id-card", number: "X1234567", minor: false, guardian: false, notice: null, standing: null };
  answers[1]!({ ...read, handle: "02" });
  await next;
  answers[0]!({ ...read, handle: "01" });
  await left;
  expect(forgotten).toEqual(["01"]);
  counter.forget();
  expect(forgotten, "the second one's was still held").toEqual(["01", "02"]);
});

it("a process that has ended is told from one that refuses", async () => {
  const gone = new LocalProcess("", "", vi.fn().mockRejectedValue(new TypeError("fetch")));
  const problem = await gone.readDocument({ language: "en" }).catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(KioskProblem);
  expect(endingOf(problem)).toMatchObject({ ending: "failed", more: { code: GONE } });
  const refuses = new KioskProblem(422, "KIOSK.NOT_NAMED", "no chip lies at the reader", null);
  expect(endingOf(refuses)).toMatchObject({ ending: "failed", more: { code: "KIOSK.NOT_NAMED" } });
});

it("an end without a decision names what is behind it", () => {
  const ending = endingOf(new NoDecision(new Refused("policy-not-listed", { one: 1 }))) as Ended;
  expect(ending.more).toMatchObject({ code: "policy-not-listed", values: { one: 1 } });
});
