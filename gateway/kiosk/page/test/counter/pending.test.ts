/** What a receipt is asked for with outlives the tab, shows nothing, and goes when it has served. */

import { beforeEach, expect, it, vi } from "vitest";

import type { Ports } from "../../src/client/registration";

const { world } = vi.hoisted(() => ({
  world: {
    register: (_ports: Ports): Promise<unknown> => Promise.reject(new Error("not set")),
    fetch: (_session: Uint8Array, _sentAt: number): Promise<unknown> => Promise.reject(new Error("not set")),
  },
}));

vi.mock("../../src/client/registration", () => ({
  gatewayOf: () => ({ fetch: (session: Uint8Array, sentAt: number) => world.fetch(session, sentAt) }),
  register: (_names: unknown, _occasion: unknown, _of: unknown, ports: Ports) => world.register(ports),
  verify: (_names: unknown, document: unknown, kept: PendingReceipt) => {
    checked.push([document, hex(kept.expected.session)]);
    return Promise.resolve(VERIFIED);
  },
}));

import { NoDecision } from "../../src/client/faults";
import { Counter } from "../../src/counter/counter";
import { PendingReceipts } from "../../src/counter/pending";
import { type Bytes, hex, utf8 } from "../../src/wire/bytes";
import { peek } from "../../src/wire/cose";
import { Decision, ExpectedStatement, Opening, PendingReceipt, Receipt, Statement } from "../../src/wire/proof";
import { cborOf, vector } from "../wire/vectors";

const VERIFIED = {
  statement: { decidedAtMinute: 60, liveness: { outcome: "passed" }, portraitSource: "photographed" },
  decision: { outcome: "MATCH" },
  statementDigest: new Uint8Array(32),
  notes: new Map(),
};
const checked: unknown[] = [];
const ORDER = "order 77-0042";
const NAMED = { document: { kind: "passport", number: "X1234567" }, order: ORDER, minor: false, guardian: null };
const REFERENCE = "5f0c7d9e-2f6b-4b1e-9a60-0f6f6c1f3e7a";

const golden = <T>(type: { field: { read(value: any): T | undefined } }, name: string): T =>
  type.field.read(cborOf(vector(`messages/${name}.json`).cases[0].value))!;
const statement = peek(golden(Receipt, "receipt").statement, Statement);
const known = { ...statement, ...peek(statement.decision, Decision), capturedAt: 1000 };
const expected = ExpectedStatement.field.read(ExpectedStatement.field.write(known))!;
const SESSION = expected.session;

const opening = Opening.encode({
  subjectSalt: new Uint8Array(32).fill(1),
  activationSalt: new Uint8Array(32).fill(2),
  activationReference: ORDER,
  consent: null,
});
const pendingAt = (sentAt: number): Bytes =>
  PendingReceipt.encode({ expected, opening, sentAt });
const answer = { outcome: "MATCH" as const, recordId: new Uint8Array(16), receipt: new Uint8Array(3) };
const registered = { ...answer, opening, verified: VERIFIED, reference: REFERENCE };

const newKey = (): Promise<CryptoKey> =>
  crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);

/** The local process, as `gateway/kiosk/pending.py`, and what it is told of outcomes. */
class Process {
  readonly files = new Map<string, string>();
  readonly outcomes: string[] = [];
  full = false;
  private reads = 0;
  pending = async () => [...this.files].map(([id, content]) => ({ id, content }));
  keepPending = async (id: string, content: string) => {
    if (this.full) throw new Error("no room");
    this.files.set(id, content);
  };
  removePending = async (id: string) => void this.files.delete(id);
  readDocument = async ({ kind, number }: { kind: string; number: string }) => {
    const handle = hex(new Uint8Array(16).fill(++this.reads));
    return { handle, kind, number, documentType: kind, minor: false, guardian: false };
  };
  forgetDocument = async () => undefined;
  noteOutcome = async (handle: string) => {
    this.outcomes.push(handle.slice(0, 2));
    return null;
  };
  standing = async () => ({ locked: false, standing: null });
}

let process: Process;
let key: CryptoKey;
const { signal } = new AbortController();

beforeEach(async () => {
  process = new Process();
  key = await newKey();
  checked.length = 0;
});

/** The counter of a tab; another tab of the same browser has the same key. */
function newTab(): Counter {
  const kiosk = { gateway: {}, documents: [], live: {}, model: {}, purpose: "" };
  const sight = { forget: () => undefined };
  const given = [kiosk, process, { device: {}, model: {} }, sight, {}, new PendingReceipts(key, process as never)];
  return new Counter(...(given as unknown as ConstructorParameters<typeof Counter>));
}

async function check(counter: Counter): Promise<unknown> {
  const read = await counter.readDocument(NAMED, signal);
  const camera = { shots: () => (async function* () {})() };
  return counter.check(ORDER, read, { exclusions: [] } as never, camera as never, () => {}, signal);
}

it("shows nothing of what it holds, and opens in this browser alone", async () => {
  const receipts = new PendingReceipts(key, process as never);
  const ids = ["0a".repeat(16), "0b".repeat(16)] as const;
  await receipts.keep(ids[0], pendingAt(2000), REFERENCE);
  await receipts.keep(ids[1], pendingAt(1000), REFERENCE);
  const [later, earlier] = [process.files.get(ids[0])!, process.files.get(ids[1])!];
  for (const part of [utf8(ORDER), SESSION, utf8(REFERENCE), new Uint8Array(32).fill(1)]) {
    expect(hex(pendingAt(2000)) + hex(utf8(REFERENCE)), "the control").toContain(hex(part));
    expect(later).not.toContain(hex(part));
  }
  expect((await receipts.all()).kept.map(({ id, order, message }) => [id, order, message.sentAt])).toEqual([
    [ids[1], ORDER, 1000],
    [ids[0], ORDER, 2000],
  ]);
  const others = await new PendingReceipts(await newKey(), process as never).all();
  expect([others.kept, others.closed.length]).toEqual([[], 2]);
  process.files.set(ids[0], earlier); // under another's id
  process.files.set(ids[1], later.slice(0, -2) + (later.endsWith("00") ? "01" : "00"));
  process.files.set("0c".repeat(16), "00");
  expect(await receipts.all()).toEqual({ kept: [], closed: [...process.files.keys()] });
  expect(await newTab().waiting(), "the agent is told").toMatchObject({ receipts: [], closed: { length: 3 } });
});

it("nothing leaves unless it is kept; once kept, sending again needs no room", async () => {
  let left = 0;
  world.register = async ({ keep }) => {
    for (let number = 0; number < 2; number++) {
      await keep(pendingAt(1000 + number));
      left += 1;
      process.full = true;
    }
    return registered;
  };
  process.full = true;
  await expect(check(newTab())).rejects.toMatchObject({ ending: "failed" });
  expect(left).toBe(0);
  process.full = false;
  expect(await check(newTab())).toMatchObject({ outcome: "MATCH" });
  expect(left).toBe(2);
});

it("a receipt is kept until the customer has it, also where the tab is closed before", async () => {
  world.register = async ({ keep }) => {
    await keep(pendingAt(1000));
    return registered;
  };
  const counter = newTab();
  await check(counter);
  expect(process.files.size).toBe(1);
  counter.collected();
  await vi.waitFor(() => expect(process.files.size).toBe(0));
  await check(counter);
  counter.forget(); // the tab is closed
  counter.collected();
  expect(process.files.size).toBe(1);
});

it("another tab asks for it without the document, and tells no outcome of another's", async () => {
  world.register = async ({ keep }) => {
    await keep(pendingAt(1000));
    throw new Error("the tab ended");
  };
  await check(newTab()).catch(() => undefined);
  const counter = newTab();
  const [waiting, ...others] = (await counter.waiting()).receipts;
  expect([waiting?.order, waiting?.sentAt, others.length]).toEqual([ORDER, 1000, 0]);
  await counter.readDocument({ ...NAMED, document: { kind: "passport", number: "X7654321" } }, signal);
  world.fetch = async (session, sentAt) => {
    expect([hex(session), sentAt]).toEqual([hex(SESSION), 1000]);
    return answer;
  };
  expect(await counter.collect(waiting!.id, signal)).toMatchObject({ outcome: "MATCH", opening });
  expect(checked, "by what was kept, without a number").toEqual([[null, hex(SESSION)]]);
  expect(process.outcomes).toEqual([]);
  counter.collected();
  await vi.waitFor(() => expect(process.files.size).toBe(0));
});

it("what the gateway says was never decided is waited for no more; silence ends nothing", async () => {
  world.register = async ({ keep }) => {
    await keep(pendingAt(1000));
    throw new NoDecision(null);
  };
  const counter = newTab();
  await check(counter).catch(() => undefined);
  expect(process.files.size).toBe(0);
  world.register = async ({ keep }) => {
    await keep(pendingAt(1000));
    throw new Error("the tab ended");
  };
  await check(counter).catch(() => undefined);
  const [waiting] = (await counter.waiting()).receipts;
  world.fetch = () => Promise.reject(new Error("no answer"));
  await expect(counter.collect(waiting!.id, signal)).rejects.toMatchObject({ ending: "failed" });
  expect(process.files.size).toBe(1);
  world.fetch = () => Promise.reject(new NoDecision(null));
  await expect(counter.collect(waiting!.id, signal)).rejects.toMatchObject({ ending: "unavailable" });
  expect(process.files.size).toBe(0);
});

it("a check that was left tells its outcome of its own document", async () => {
  const ends: (() => void)[] = [];
  world.register = ({ keep }) =>
    new Promise((done) => ends.push(() => void Promise.resolve(keep(pendingAt(1))).then(() => done(registered))));
  const counter = newTab();
  const first = check(counter);
  await vi.waitFor(() => expect(ends.length).toBe(1));
  counter.forget();
  await counter.readDocument({ ...NAMED, document: { kind: "passport", number: "X7654321" } }, signal);
  ends[0]!();
  await first;
  expect(process.outcomes).toEqual(["01"]);
});
