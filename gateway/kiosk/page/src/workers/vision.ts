/**
 * The worker that looks at pictures: pictures come in, measurements and vectors go out.
 *
 * One picture is kept, because its embedding may be asked for. It is overwritten when the next one
 * comes, and when nobody is followed any more. A vector is moved to whoever asked, not copied.
 */

import type { ModelPack } from "../kiosk/settings";
import { LivenessMeter } from "../liveness/meter";
import { type Manifest, loadPack, type ModelName, PackRefused } from "../vision/pack";
import { type DetectedFace, FacePipeline, Refused } from "../vision/pipeline";
import type { QualityProfile } from "../vision/quality/profile";
import type { Embedded } from "../liveness/capture";
import { Fault } from "../wire/errors";
import type { Asked, Seen, SightAnswer, SightTask } from "./sighting";

/** The way of making models of a pack that this page knows. */
const RECIPE = "faceplugin-two-pass/1";

let pipeline: FacePipeline | null = null;
let meter: LivenessMeter | null = null;
let last: { readonly picture: Seen; readonly face: DetectedFace | null } | null = null;

async function answerTo(asked: Asked): Promise<unknown> {
  switch (asked.what) {
    case "load":
      pipeline = await loaded(asked.model, asked.base);
      return null;
    case "begin":
      forget();
      return null;
    case "measure":
      return measured(asked.picture, asked.atMs);
    case "embed":
      return embedded();
    case "passive-score": {
      const { picture, face } = seen();
      return meter!.passiveScore(picture, face);
    }
  }
}

async function loaded(model: ModelPack, base: string): Promise<FacePipeline> {
  if (model.recipe !== RECIPE) throw new Fault("model-recipe");
  const files = Object.fromEntries(model.files.map((one) => [one.name, one]));
  const manifest: Manifest = { id: model.id, dimension: model.dimension, files };
  const read = async (name: ModelName): Promise<Uint8Array<ArrayBuffer>> => {
    const answer = await fetch(new URL(`pack/${name}`, base), { cache: "no-store" });
    if (!answer.ok) throw new PackRefused("model-pack");
    return new Uint8Array(await answer.arrayBuffer());
  };
  return FacePipeline.load(await loadPack(manifest, model.profile as QualityProfile, read));
}

async function measured(picture: Seen, atMs: number): Promise<unknown> {
  if (pipeline === null) throw new Fault("vision-not-loaded");
  wipe();
  last = { picture, face: null };
  meter ??= new LivenessMeter(pipeline);
  const found = await meter.measure(picture, atMs);
  last = { picture, face: found.face };
  return found;
}

async function embedded(): Promise<Embedded> {
  const { picture, face } = seen();
  try {
    return { vector: await meter!.embed(picture, face) };
  } catch (error) {
    if (error instanceof Refused) return { refused: error.what };
    throw error;
  }
}

function seen(): { picture: Seen; face: DetectedFace } {
  if (last === null || last.face === null || meter === null) throw new Fault("no-face-measured");
  return { picture: last.picture, face: last.face };
}

function forget(): void {
  wipe();
  meter?.clear();
  meter = null;
}

function wipe(): void {
  last?.picture.data.fill(0);
  last = null;
}

/** One task after the other: a picture is not overwritten while it is looked at. */
let queue: Promise<void> = Promise.resolve();

self.onmessage = (event: MessageEvent<SightTask>): void => {
  const { id, ...asked } = event.data;
  queue = queue.then(async () => {
    const answer = await safely(id, asked as Asked);
    const moved = "answer" in answer ? movedWith(answer.answer) : [];
    self.postMessage(answer, { transfer: moved });
  });
};

async function safely(id: number, asked: Asked): Promise<SightAnswer> {
  try {
    return { id, answer: await answerTo(asked) };
  } catch (error) {
    if (error instanceof PackRefused) return { id, fault: "model-pack" };
    return { id, fault: error instanceof Fault ? error.code : "vision" };
  }
}

function movedWith(answer: unknown): Transferable[] {
  const { vector } = (answer ?? {}) as { vector?: Float32Array<ArrayBuffer> };
  return vector === undefined ? [] : [vector.buffer];
}
