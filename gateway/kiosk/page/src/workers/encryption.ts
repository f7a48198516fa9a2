/**
 * The worker that encrypts probes: vectors come in, a ciphertext goes out, nothing stays.
 *
 * Vectors are moved into the worker, not copied, and overwritten here whatever happens.
 */

import { Bgv } from "../he/bgv";
import { Fault } from "../wire/errors";
import type { EncryptionAnswer, EncryptionTask } from "./encryptor";

const CODE = new URL("../../build/bgv.wasm", import.meta.url);

const loaded = load();
// Whoever asks is told; nobody asking is no reason for an unhandled rejection.
loaded.catch(() => undefined);

async function load(): Promise<Bgv> {
  const answer = await fetch(CODE, { credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) throw new Fault("encryption-module");
  return Bgv.load(await WebAssembly.compile(await answer.arrayBuffer()));
}

async function answerTo(task: EncryptionTask): Promise<EncryptionAnswer> {
  try {
    const bgv = await loaded;
    const ciphertext = await bgv.encryptProbe(task.key, task.probe, task.action);
    return { id: task.id, ciphertext };
  } catch (error) {
    return { id: task.id, fault: error instanceof Fault ? error.code : "encryption" };
  } finally {
    task.probe.fill(0);
    task.action?.fill(0);
  }
}

self.onmessage = async (event: MessageEvent<EncryptionTask>): Promise<void> => {
  const answer = await answerTo(event.data);
  const moved = "ciphertext" in answer ? [answer.ciphertext.buffer] : [];
  self.postMessage(answer, { transfer: moved });
};
