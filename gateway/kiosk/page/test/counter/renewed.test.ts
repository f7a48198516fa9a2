/** One worker for each customer: it ends with them, and the next one is ready before it is asked. */

import { beforeEach, expect, it, vi } from "vitest";

import { Renewed } from "../../src/counter/renewed";
import { views } from "../../src/counter/sight";
import type { WorkerLike } from "../../src/workers/encryptor";
import { type SightTask, Sighting } from "../../src/workers/sighting";

/** A worker that answers when it is told to, and counts itself while it lives. */
class Held implements WorkerLike {
  onmessage: WorkerLike["onmessage"] = null;
  onerror: WorkerLike["onerror"] = null;
  onmessageerror: WorkerLike["onmessageerror"] = null;
  readonly tasks: SightTask[] = [];
  live = true;

  constructor() {
    workers.push(this);
  }

  postMessage(message: unknown): void {
    this.tasks.push(message as SightTask);
  }

  answer(answer: unknown = null): void {
    this.onmessage?.({ data: { id: this.tasks.shift()!.id, answer } } as MessageEvent);
  }

  fail(): void {
    this.onmessage?.({ data: { id: this.tasks.shift()!.id, fault: "model-pack" } } as MessageEvent);
  }

  terminate(): void {
    this.live = false;
  }
}

let workers: Held[] = [];
let renewed: Renewed;
const live = (): Held[] => workers.filter((one) => one.live);
const settled = (): Promise<void> => new Promise((done) => setTimeout(done));
const picture = (): ImageData =>
  ({ width: 1, height: 1, data: Uint8ClampedArray.of(9, 9, 9, 9) }) as unknown as ImageData;

/** A check that has begun to look. */
async function looking(worker: Held) {
  const begun = renewed.begin();
  await settled();
  worker.answer(); // to "begin"
  return begun;
}

beforeEach(() => {
  workers = [];
  const load = (sighting: Sighting) => sighting.load({} as never, "");
  renewed = new Renewed(load, () => new Sighting(new Held()));
});

it("asks one worker for one customer, and loads before anybody looks", async () => {
  expect(workers.map(({ tasks }) => tasks.map(({ what }) => what))).toEqual([["load"]]);
  workers[0]!.answer();
  await looking(workers[0]!);
  await looking(workers[0]!); // another attempt of the same customer
  expect(workers.length).toBe(1);
});

it("ends the worker with the customer, and loads the next one at once", async () => {
  workers[0]!.answer();
  await looking(workers[0]!);
  renewed.forget();
  expect(workers.map(({ tasks }) => tasks.map(({ what }) => what))).toEqual([["begin"], ["load"]]);
  workers[0]!.answer(); // it has overwritten what it held
  expect(live()).toEqual([workers[1]]);
  expect(workers[1]!.tasks.map(({ what }) => what)).toEqual(["load"]);
});

it("ends a worker that does not answer, and overwrites a vector that comes late", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const asked = expect(renewed.begin()).rejects.toMatchObject({ code: "vision-ended" });
    renewed.forget();
    const vector = Float32Array.of(0.6, 0.8);
    workers[0]!.answer({ vector });
    expect([[...vector], workers[0]!.live]).toEqual([[0, 0], true]);
    vi.runAllTimers();
    expect(live()).toEqual([workers[1]]);
    await asked;
  } finally {
    vi.useRealTimers();
  }
});

it("has a check that was left see no later customer", async () => {
  workers[0]!.answer();
  const left = await looking(workers[0]!);
  const waiting = expect(left.measure(picture(), 0)).rejects.toMatchObject({ code: "vision-ended" });
  renewed.forget();
  workers[1]!.answer();
  await looking(workers[1]!);
  await waiting;
  await expect(left.embed()).rejects.toMatchObject({ code: "vision-ended" });
  expect(workers[1]!.tasks).toEqual([]);
});

it("overwrites a picture that nobody looks at any more", async () => {
  workers[0]!.answer();
  const left = await looking(workers[0]!);
  renewed.forget();
  const late = picture();
  await expect(left.measure(late, 0)).rejects.toMatchObject({ code: "vision-ended" });
  expect([...late.data]).toEqual([0, 0, 0, 0]);
});

it("tells who looks that models are not the pinned ones, and the same customer may look once more", async () => {
  workers[0]!.fail();
  await expect(renewed.begin()).rejects.toMatchObject({ code: "model-pack" });
  workers[1]!.answer();
  await expect(looking(workers[1]!)).resolves.toBeDefined();
});

it("takes no picture before the models are there", async () => {
  const taken: number[] = [];
  const shots = async function* () {
    taken.push(taken.length);
    yield { picture: picture(), atMs: 0 };
  };
  const seen = views(renewed, shots()).next();
  await settled();
  expect(taken).toEqual([]);
  workers[0]!.answer();
  await settled();
  workers[0]!.answer();
  await settled();
  expect(taken).toEqual([0]);
  workers[0]!.answer({ atMs: 0 });
  expect((await seen).value.measured).toEqual({ atMs: 0 });
});
