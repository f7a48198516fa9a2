/**
 * The page's encryption as a process that answers on a pipe, for comparisons with Python's.
 *
 * A question: b, a's seed, and two vectors of 512 doubles. An answer: the ciphertext, and as a
 * double how many milliseconds of CPU it took. So no vector is ever in a file.
 */

import { once } from "node:events";

import { PUBLIC_KEY_BYTES } from "../../src/wire/profile";
import { load } from "./module";

const VECTOR_BYTES = 512 * 8;
const QUESTION = PUBLIC_KEY_BYTES + 32 + 2 * VECTOR_BYTES;

export async function answer(): Promise<void> {
  const bgv = await load();
  let pending = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    pending = Buffer.concat([pending, chunk]);
    if (pending.length < QUESTION) continue;
    const asked = new Uint8Array(pending.subarray(0, QUESTION));
    pending = pending.subarray(QUESTION);
    const b = asked.slice(0, PUBLIC_KEY_BYTES);
    const aSeed = asked.slice(PUBLIC_KEY_BYTES, PUBLIC_KEY_BYTES + 32);
    const [probe, action] = [0, 1].map((i) => {
      const at = PUBLIC_KEY_BYTES + 32 + i * VECTOR_BYTES;
      return new Float64Array(asked.slice(at, at + VECTOR_BYTES).buffer);
    }) as [Float64Array, Float64Array];
    const before = process.cpuUsage();
    const made = await bgv.encryptProbe({ b, aSeed }, probe, action);
    const { user, system } = process.cpuUsage(before);
    const time = new Uint8Array(Float64Array.of((user + system) / 1000).buffer);
    if (!process.stdout.write(Buffer.concat([made, time]))) await once(process.stdout, "drain");
  }
}
