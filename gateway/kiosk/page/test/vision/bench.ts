/**
 * The meter in a browser, for measurements: views are fetched first, then measured one after the
 * other without a pause.
 */

import { LivenessMeter } from "../../src/liveness/meter";
import { loadPack } from "../../src/vision/pack";
import type { Picture } from "../../src/vision/picture";
import { FacePipeline } from "../../src/vision/pipeline";

const bytes = async (path: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await (await fetch(path)).arrayBuffer());

let pipeline: FacePipeline;
let views: { picture: Picture; atMs: number }[] = [];

/** Load the models, and this many views. */
async function prepare(count: number): Promise<void> {
  const { manifest, quality } = await (await fetch("pack.json")).json();
  pipeline ??= await FacePipeline.load(
    await loadPack(manifest, quality, (name) => bytes(`pack/${name}`)),
  );
  views = [];
  for (let n = 0; n < count; n += 1) {
    const { width, height, atMs } = await (await fetch(`view/${n}.json`)).json();
    views.push({ picture: { width, height, data: await bytes(`view/${n}`) }, atMs });
  }
}

/** What the meter says of each view, and the time that each took, in ms. */
async function measure(): Promise<unknown[]> {
  const meter = new LivenessMeter(pipeline);
  const found = [];
  for (const { picture, atMs } of views) {
    const begun = performance.now();
    const { face: _, ...measured } = await meter.measure(picture, atMs);
    found.push({ ...measured, ms: performance.now() - begun });
  }
  meter.clear();
  return found;
}

/** Faces with their landmarks, and eyes, of each view; nothing else. */
async function look(): Promise<number> {
  let seen = 0;
  for (const { picture } of views) {
    const [face] = await pipeline.faces(picture);
    if (face) await pipeline.eyes.closed(picture, face.landmarks);
    seen += face ? 1 : 0;
  }
  return seen;
}

Object.assign(globalThis, { bench: { prepare, measure, look } });
