/** Vectors are overwritten when their own check ends, or the customer goes; not by another check. */

import { expect, it, vi } from "vitest";

import type { Capture } from "../../src/client/registration";

const { running, counted } = vi.hoisted(() => ({
  running: [] as { end(): void; of: Capture }[],
  counted: [] as unknown[],
}));

vi.mock("../../src/client/registration", () => ({
  gatewayOf: () => null,
  register: (_names: unknown, _occasion: unknown, of: Capture) =>
    new Promise((_, fail) => running.push({ of, end: () => fail(new Error("left")) })),
}));
vi.mock("../../src/counter/capturing", () => ({
  Attempts: class {},
  capture: (_challenge: unknown, { attempts }: { attempts: unknown }) => {
    counted.push(attempts);
    return Promise.resolve({ probe: Float32Array.of(1), action: null, transcript: null });
  },
}));

import { Counter } from "../../src/counter/counter";

const read = { kind: "passport", number: "X1234", minor: false, guardian: false };

/** A counter with stand-ins, and a way to begin a check. */
async function counterAt() {
  const kiosk = { gateway: {}, documents: [], live: {}, model: {}, purpose: "" };
  const process = {
    readDocument: () => Promise.resolve({ ...read, handle: "00".repeat(16) }),
    forgetDocument: () => Promise.resolve(),
  };
  const made = { device: {}, model: {} };
  const sight = { begin: () => Promise.resolve(), forget: () => undefined };
  const given = [kiosk, process, made, sight, {}] as unknown as ConstructorParameters<typeof Counter>;
  const counter = new Counter(...given);
  const { signal } = new AbortController();
  const named = { document: { kind: "passport", number: "X1234" }, order: "", minor: false, guardian: null };
  const document = await counter.readDocument(named, signal);
  const camera = { shots: () => (async function* () {})() };
  const begin = async () => {
    const agreed = { version: 1, language: "en", exclusions: [] };
    const ended = counter.check(named.order, document, agreed as never, camera as never, () => {}, signal);
    const { of, end } = running.at(-1)!;
    const { probe } = await of(null, null);
    const left = async () => {
      end();
      await ended.catch(() => undefined);
    };
    return { probe, left, of };
  };
  return { counter, begin };
}

it("a check that was left ends while the next one runs, and takes its own alone", async () => {
  const { begin } = await counterAt();
  const first = await begin();
  const second = await begin();
  await first.left();
  expect([...first.probe, ...second.probe]).toEqual([0, 1]);
  await second.left();
  expect([...second.probe]).toEqual([0]);
});

it("nothing is left of a customer who goes meanwhile", async () => {
  const { counter, begin } = await counterAt();
  const { probe } = await begin();
  counter.forget();
  expect([...probe]).toEqual([0]);
});

it("a check that was left counts as no attempt of the next customer", async () => {
  const { counter, begin } = await counterAt();
  const { of, left } = await begin();
  counter.forget();
  await of(null, null); // it was on its way to the camera
  expect(counted.at(-1)).toBe(counted.at(-2));
  await left();
});
