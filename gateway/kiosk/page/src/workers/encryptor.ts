/**
 * Encryption in a worker of its own, so that neither picture nor prompts ever wait for it.
 *
 * `encryptProbe` takes vectors of whoever calls and leaves them as they are: copies go to the
 * worker, which overwrites them. Whoever made a vector overwrites it when the registration ends.
 */

import type { PublicKey } from "../he/bgv";
import { Fault } from "../wire/errors";

export interface EncryptionTask {
  readonly id: number;
  readonly key: PublicKey;
  readonly probe: Float32Array<ArrayBuffer>;
  readonly action: Float32Array<ArrayBuffer> | null;
}

/** The module could not be had. A worker asks for it once. */
const MODULE = "encryption-module";

/** A fault is told by its code alone. */
export type EncryptionAnswer =
  | { readonly id: number; readonly ciphertext: Uint8Array<ArrayBuffer> }
  | { readonly id: number; readonly fault: string };

/** As much of a `Worker` as this needs. */
export interface WorkerLike {
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  onmessageerror: ((event: MessageEvent) => void) | null;
  postMessage(message: unknown, transfer: Transferable[]): void;
  terminate(): void;
}

interface Waiting {
  resolve(ciphertext: Uint8Array<ArrayBuffer>): void;
  reject(fault: Fault): void;
}

export class Encryptor {
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;
  private worker: WorkerLike;
  /** Whether the worker has ended: it answers nobody any more, and the next task starts another. */
  private broken = false;

  constructor(private readonly begin: () => WorkerLike = start) {
    this.worker = this.started();
  }

  /**
   * The canonical ciphertext of a probe, and of an action vector or the probe again.
   *
   * Throws a `Fault` if the key is no valid encoding, a vector is not of length 1, or the worker
   * ended.
   */
  encryptProbe(
    key: PublicKey,
    probe: Float32Array,
    action: Float32Array | null,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const task: EncryptionTask = {
      id: this.next++,
      key: { b: key.b, aSeed: key.aSeed },
      probe: probe.slice(),
      action: action?.slice() ?? null,
    };
    const moved = [task.probe.buffer, ...(task.action ? [task.action.buffer] : [])];
    if (this.broken) this.worker = this.started();
    return new Promise((resolve, reject) => {
      this.waiting.set(task.id, { resolve, reject });
      this.worker.postMessage(task, moved);
    });
  }

  /** End the worker, and with it whatever its memory holds. */
  close(): void {
    this.end(new Fault("encryption-ended"));
  }

  private started(): WorkerLike {
    this.broken = false;
    const worker = this.begin();
    worker.onmessage = (event: MessageEvent<EncryptionAnswer>) => this.take(event.data);
    worker.onerror = worker.onmessageerror = () => {
      if (worker === this.worker) this.end(new Fault("encryption"));
    };
    return worker;
  }

  /** End a worker that has failed, or whose module could not be had, and tell whoever waits. */
  private end(fault: Fault): void {
    this.broken = true;
    this.worker.terminate();
    this.fail(fault);
  }

  private take(answer: EncryptionAnswer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ("fault" in answer) {
      const fault = new Fault(answer.fault);
      waiting?.reject(fault);
      if (answer.fault === MODULE) this.end(fault);
    } else waiting?.resolve(answer.ciphertext);
  }

  private fail(fault: Fault): void {
    for (const { reject } of this.waiting.values()) reject(fault);
    this.waiting.clear();
  }
}

function start(): WorkerLike {
  // In one expression: only so the bundler sees a worker and not a file.
  return new Worker(new URL("./encryption.ts", import.meta.url), {
    type: "module",
    name: "encryption",
  });
}
