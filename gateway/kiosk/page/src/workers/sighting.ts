/**
 * Looking at pictures in a worker of its own, so that the preview and the prompts never wait.
 *
 * A picture is moved into the worker, not copied. The worker keeps the last one, because an
 * embedding of it may be asked for, and overwrites it when the next one comes.
 */

import type { Embedded } from "../liveness/capture";
import type { FrameMeasurement } from "../liveness/measurement";
import type { ModelPack } from "../kiosk/settings";
import { Fault } from "../wire/errors";
import type { WorkerLike } from "./encryptor";

/** What the worker is asked. */
export type Asked =
  | { readonly what: "load"; readonly model: ModelPack; readonly base: string }
  | { readonly what: "begin" }
  | { readonly what: "measure"; readonly picture: Seen; readonly atMs: number }
  | { readonly what: "embed" }
  | { readonly what: "passive-score" };

/** A picture without its canvas. */
export interface Seen {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export type SightTask = Asked & { readonly id: number };

/** A fault is told by its code alone. */
export type SightAnswer =
  | { readonly id: number; readonly answer: unknown }
  | { readonly id: number; readonly fault: string };

/** A worker that has not answered by then is ended as it is. */
const LONGEST_MS = 2_000;

interface Vector {
  readonly vector: Float32Array;
}

interface Waiting {
  resolve(answer: unknown): void;
  reject(fault: Fault): void;
}

export class Sighting {
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;
  private closed = false;

  constructor(private readonly worker: WorkerLike = start()) {
    worker.onmessage = (event: MessageEvent<SightAnswer>) => this.take(event.data);
    worker.onerror = worker.onmessageerror = () => this.fail(new Fault("vision"));
  }

  /**
   * Fetch the models, compare each with its pin, and make them ready.
   *
   * @param base the address under which `/pack/` is.
   * @throws Fault `model-pack` if a file is not the one that the manifest pins.
   */
  async load(model: ModelPack, base: string): Promise<void> {
    await this.ask({ what: "load", model, base });
  }

  /** Follow nobody any more, and overwrite the picture. */
  async begin(): Promise<void> {
    await this.ask({ what: "begin" });
  }

  async measure({ width, height, data }: ImageData, atMs: number): Promise<FrameMeasurement> {
    if (this.closed) data.fill(0);
    const picture = { width, height, data: data as Seen["data"] };
    const answer = await this.ask({ what: "measure", picture, atMs }, [picture.data.buffer]);
    return answer as FrameMeasurement;
  }

  /** Of the face that was measured last. */
  async embed(): Promise<Embedded> {
    return (await this.ask({ what: "embed" })) as Embedded;
  }

  /** Of the same; null: not enough of the surroundings is in the picture. */
  async passiveScore(): Promise<number | null> {
    return (await this.ask({ what: "passive-score" })) as number | null;
  }

  /**
   * Have the worker overwrite what it can, and end it: with it goes the models' memory. It is ended
   * anyway if it does not answer soon.
   */
  close(): void {
    this.closed = true;
    this.fail(new Fault("vision-ended"));
    const { worker } = this;
    const end = (): void => {
      clearTimeout(latest);
      worker.terminate();
    };
    const latest = setTimeout(end, LONGEST_MS);
    const last = this.next++;
    worker.onerror = worker.onmessageerror = end;
    worker.onmessage = ({ data }: MessageEvent<SightAnswer>) => {
      // A vector that was asked for before is nobody's now.
      if ("answer" in data) (data.answer as Partial<Vector> | null)?.vector?.fill(0);
      if (data.id === last) end();
    };
    worker.postMessage({ id: last, what: "begin" }, []);
  }

  private ask(asked: Asked, moved: Transferable[] = []): Promise<unknown> {
    if (this.closed) return Promise.reject(new Fault("vision-ended"));
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...asked, id }, moved);
    });
  }

  private take(answer: SightAnswer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ("fault" in answer) waiting?.reject(new Fault(answer.fault));
    else waiting?.resolve(answer.answer);
  }

  private fail(fault: Fault): void {
    for (const { reject } of this.waiting.values()) reject(fault);
    this.waiting.clear();
  }
}

function start(): WorkerLike {
  // In one expression: only so the bundler sees a worker and not a file.
  return new Worker(new URL("./vision.ts", import.meta.url), { type: "module", name: "vision" });
}
