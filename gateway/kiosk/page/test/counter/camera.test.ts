/** Pictures of a camera: the next is taken while one is looked at, and none is left over. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { LiveCamera, type Shot } from "../../src/counter/camera";

let frame: ((now: number) => void) | null = null;
let drawn: Uint8ClampedArray[] = [];

const track = {
  readyState: "live",
  getSettings: () => ({}),
  stop: () => undefined,
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
};
const stream = { getVideoTracks: () => [track], getTracks: () => [track] };
const settled = (): Promise<void> => new Promise((done) => setTimeout(done));

/** The camera has a new picture. */
async function shows(now: number): Promise<void> {
  const done = frame!;
  frame = null;
  done(now);
  await settled();
}

beforeEach(() => {
  drawn = [];
  const context = {
    setTransform: () => undefined,
    drawImage: () => undefined,
    getImageData: () => {
      drawn.push(Uint8ClampedArray.of(drawn.length + 1));
      return { width: 1, height: 1, data: drawn.at(-1) };
    },
  };
  const made = () => ({
    getContext: () => context,
    requestVideoFrameCallback: (done: (now: number) => void) => ((frame = done), 1),
    cancelVideoFrameCallback: () => (frame = null),
  });
  vi.stubGlobal("document", { createElement: made });
});

afterEach(() => vi.unstubAllGlobals());

async function begun() {
  const leaving = new AbortController();
  const shots = new LiveCamera(stream as never, false).shots(leaving.signal);
  const first = shots.next();
  await settled();
  await shows(1000);
  return { leaving, shots, first: (await first).value as Shot };
}

it("takes the next picture while one is looked at, each with its own time", async () => {
  const { shots, first } = await begun();
  expect([first.atMs, drawn.length]).toEqual([0, 1]);
  await shows(1040);
  expect(drawn.length, "nobody has asked for it yet").toBe(2);
  const second = (await shots.next()).value as Shot;
  expect([second.atMs, [...second.picture.data]]).toEqual([40, [2]]);
});

it("takes no picture sooner than wanted", async () => {
  const { shots } = await begun();
  await shows(1010);
  expect(drawn.length).toBe(1);
  await shows(1050);
  expect(((await shots.next()).value as Shot).atMs).toBe(50);
});

it("overwrites the picture that nobody looks at any more", async () => {
  const { shots, first } = await begun();
  await shows(1040);
  await shots.return(undefined);
  await settled();
  expect(drawn.map((one) => [...one])).toEqual([[1], [0]]);
  expect([...first.picture.data], "it is the taker's").toEqual([1]);
});

it("gives no picture after its signal, and overwrites one that was taken before", async () => {
  const { leaving, shots, first } = await begun();
  await shows(1040);
  leaving.abort();
  await expect(shots.next()).rejects.toMatchObject({ name: "AbortError" });
  await settled();
  expect(drawn.map((one) => [...one])).toEqual([[1], [0]]);
  expect([...first.picture.data], "it is the taker's").toEqual([1]);
});

it("ends with its signal, whether a picture is waited for or not", async () => {
  const { leaving, shots } = await begun();
  leaving.abort();
  await settled();
  expect(frame, "no picture is asked for any more").toBe(null);
  await expect(shots.next()).rejects.toMatchObject({ name: "AbortError" });
});
