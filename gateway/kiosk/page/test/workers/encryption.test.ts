/** The encryption's worker: vectors go in and are overwritten, only a ciphertext comes out. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { unhex } from "../../src/wire/bytes";
import { type EncryptionTask, Encryptor, type WorkerLike } from "../../src/workers/encryptor";
import { code } from "../he/module";
import { bytesOf, vector } from "../wire/vectors";

const encryption = vector("encryption.json");
const key = { b: bytesOf(encryption.sessionKeyHalf), aSeed: unhex(encryption.uniformSeed) };

/** The worker's own code, with its messages passed on as a browser does. */
class InProcess implements WorkerLike {
  onmessage: WorkerLike["onmessage"] = null;
  onerror: WorkerLike["onerror"] = null;
  onmessageerror: WorkerLike["onmessageerror"] = null;
  readonly tasks: EncryptionTask[] = [];
  readonly sent: unknown[] = [];
  readonly scope = {
    onmessage: null as ((event: { data: unknown }) => Promise<void>) | null,
    postMessage: (message: unknown, options: { transfer: ArrayBuffer[] }) => {
      this.sent.push(message);
      this.onmessage?.({ data: structuredClone(message, options) } as MessageEvent);
    },
  };

  postMessage(message: unknown, transfer: Transferable[]): void {
    const task = structuredClone(message, { transfer } as StructuredSerializeOptions);
    this.tasks.push(task as EncryptionTask);
    void this.scope.onmessage?.({ data: task });
  }

  terminate(): void {
    this.scope.onmessage = null;
  }
}

let worker: InProcess;
let encryptor: Encryptor;
let begun: number;
let module = (): Response => new Response(code());

beforeEach(async () => {
  worker = new InProcess();
  vi.stubGlobal("self", worker.scope);
  vi.stubGlobal("fetch", async () => module());
  vi.resetModules();
  await import("../../src/workers/encryption");
  begun = 0;
  encryptor = new Encryptor(() => (begun++, worker));
});

afterEach(() => {
  module = () => new Response(code());
  vi.unstubAllGlobals();
});

it("gives a ciphertext, and leaves the caller's vectors as they are", async () => {
  const [probe, action] = [Float32Array.of(0.6, 0.8), Float32Array.of(1)];
  const made = await encryptor.encryptProbe(key, probe, action);
  expect(made.length).toBe(encryption.bytes);
  expect([...probe, ...action]).toEqual([...Float32Array.of(0.6, 0.8, 1)]);
});

it("overwrites the vectors that it was given, also when it fails", async () => {
  await encryptor.encryptProbe(key, Float32Array.of(0.6, 0.8), null);
  const wrong = encryptor.encryptProbe(key, Float32Array.of(0.6, 0.8), Float32Array.of(2));
  await expect(wrong).rejects.toMatchObject({ code: "embedding" });
  expect(worker.tasks.map((one) => [...one.probe])).toEqual([[0, 0], [0, 0]]);
  expect([...worker.tasks[1]!.action!]).toEqual([0]);
});

it("says nothing but the ciphertext or a fault's code", async () => {
  await encryptor.encryptProbe(key, Float32Array.of(1), null);
  const b = new Uint8Array(key.b.length);
  const refused = encryptor.encryptProbe({ ...key, b }, Float32Array.of(1), null);
  await expect(refused).rejects.toMatchObject({ code: "session-key" });
  expect(worker.sent.map((one) => Object.keys(one as object))).toEqual([
    ["id", "ciphertext"],
    ["id", "fault"],
  ]);
});

it("answers each caller with what it asked for", async () => {
  const asked = [Float32Array.of(1), Float32Array.of(2), Float32Array.of(1)];
  const all = await Promise.allSettled(asked.map((one) => encryptor.encryptProbe(key, one, null)));
  expect(all.map((one) => one.status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

it("tells who waits that the worker ended", async () => {
  for (const end of [
    () => worker.onerror!({} as ErrorEvent),
    () => worker.onmessageerror!({} as MessageEvent),
    () => encryptor.close(),
  ]) {
    worker.scope.onmessage = async () => undefined;
    const waiting = encryptor.encryptProbe(key, Float32Array.of(1), null);
    end();
    await expect(waiting).rejects.toThrow();
  }
});

it("starts another worker where one failed while nobody waited", async () => {
  worker.onerror!({} as ErrorEvent); // its script could not be had
  vi.resetModules();
  await import("../../src/workers/encryption");
  const made = await encryptor.encryptProbe(key, Float32Array.of(1), null);
  expect([made.length, begun]).toEqual([encryption.bytes, 2]);
});

it("tells who asks that its module is not there, and overwrites the vectors", async () => {
  module = () => new Response("", { status: 404 });
  vi.resetModules();
  await import("../../src/workers/encryption");
  const refused = encryptor.encryptProbe(key, Float32Array.of(0.6, 0.8), null);
  await expect(refused).rejects.toMatchObject({ code: "encryption-module" });
  expect([...worker.tasks.at(-1)!.probe]).toEqual([0, 0]);
});

it("asks for its module again with the next task", async () => {
  const lost = { code: "encryption-module" };
  for (const [fails, workers] of [
    [() => new Response("", { status: 404 }), 1],
    [() => { throw new TypeError("fetch"); }, 2],
  ] as const) {
    module = fails;
    vi.resetModules();
    await import("../../src/workers/encryption");
    await expect(encryptor.encryptProbe(key, Float32Array.of(1), null)).rejects.toMatchObject(lost);
    expect(begun).toBe(workers);
  }
});
