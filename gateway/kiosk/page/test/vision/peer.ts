/**
 * The page's vision as a process that answers on a pipe, for comparisons with the Python client.
 *
 * Questions and answers are CBOR items, each after its length (4 bytes, big-endian). So no picture
 * and no vector is ever in a file. The first question holds the model pack.
 */

import { readSync, writeSync } from "node:fs";
import { decode, encode } from "cborg";
import { LivenessMeter } from "../../src/liveness/meter";
import { loadPack } from "../../src/vision/pack";
import { Embedder, aligned, unit } from "../../src/vision/embedder";
import type { Picture } from "../../src/vision/picture";
import { FacePipeline, Refused, type DetectedFace } from "../../src/vision/pipeline";
import { cut } from "../../src/vision/resize";
import { Model } from "../../src/vision/runtime";

function exactly(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let got = 0; got < count; ) {
    let read = 0;
    try {
      read = readSync(0, bytes, got, count - got, null);
    } catch (error) {
      if ((error as { code?: string }).code === "EAGAIN") continue;
      throw error;
    }
    if (read === 0) process.exit(0);
    got += read;
  }
  return bytes;
}

/* Questions come from our own tests. */
function question(): any {
  const length = new DataView(exactly(4).buffer).getUint32(0);
  return decode(exactly(length));
}

function answer(value: unknown): void {
  const body = encode(value);
  const whole = new Uint8Array(4 + body.length);
  new DataView(whole.buffer).setUint32(0, body.length);
  whole.set(body, 4);
  for (let sent = 0; sent < whole.length; ) {
    try {
      sent += writeSync(1, whole, sent);
    } catch (error) {
      if ((error as { code?: string }).code !== "EAGAIN") throw error;
    }
  }
}

let meter: LivenessMeter;

const numbers = (values: ArrayLike<number>): number[] => Array.from(values);

const start = question();
const pack = await loadPack(start.manifest, start.quality, async (name) => start.files[name]);
const pipeline = await FacePipeline.load(pack);

/** A face as numbers. */
const told = ({ box, score, five, landmarks }: DetectedFace): object => ({
  box: [box.left, box.top, box.right, box.bottom],
  score,
  five: numbers(five),
  landmarks: numbers(landmarks),
});

const answers: Record<string, (asked: any, picture: Picture) => Promise<unknown>> = {
  /** Every face with everything that is made of it. */
  async faces(_, picture) {
    const seen = [];
    for (const face of await pipeline.faces(picture)) {
      const { raw, measured } = await pipeline.examine(picture, face);
      seen.push({
        ...told(face),
        vector: numbers(unit(raw) ?? []),
        measured,
        finding: pipeline.judge(measured),
        eyes: await pipeline.eyes.closed(picture, face.landmarks),
        passive: await pipeline.passive.score(picture, face.box),
      });
    }
    return seen;
  },
  /** The verdict on a photograph: the vector of its only face, or why there is none. */
  async embed(_, picture) {
    try {
      const { vector, quarterTurns } = await pipeline.embed(picture);
      return { what: "good", vector: numbers(vector), quarterTurns };
    } catch (error) {
      if (error instanceof Refused) return { what: error.what };
      throw error;
    }
  },
  async aligned(asked, picture) {
    return aligned(picture, Float32Array.from(asked.five)).data;
  },
  /** The raw vector of a face that is aligned already. */
  async crop(_, picture) {
    const data = new Uint8Array((picture.data.length / 4) * 3);
    for (let i = 0; i < data.length; i += 1) {
      data[i] = picture.data[4 * Math.floor(i / 3) + (i % 3)]!;
    }
    const { width, height } = picture;
    const embedder = new Embedder(await Model.of(pack.contents["fr_feature.onnx"]));
    return numbers(await embedder.rawVector({ width, height, data }));
  },
  /** A new capture begins. */
  async begin() {
    meter = new LivenessMeter(pipeline);
    return null;
  },
  /** What the meter says of the next view, and the processor time that it took, in ms. */
  async measure(asked, picture) {
    const before = process.cpuUsage();
    const { face, ...measured } = await meter.measure(picture, asked.atMs);
    const used = process.cpuUsage(before);
    return {
      ...measured,
      landmarks: face && numbers(face.landmarks),
      cpuMs: (used.user + used.system) / 1000,
    };
  },
  /** The processor time of faces with their landmarks, and of eyes, in ms. */
  async look(_, picture) {
    const before = process.cpuUsage();
    const [face] = await pipeline.faces(picture);
    if (face) await pipeline.eyes.closed(picture, face.landmarks);
    const used = process.cpuUsage(before);
    return (used.user + used.system) / 1000;
  },
  async cut(asked, picture) {
    const [left, top, right, bottom] = asked.square;
    return cut(picture, { left, top, right, bottom }, asked.side).data;
  },
};

answer("ready");
for (;;) {
  const asked = question();
  const picture = { width: asked.width, height: asked.height, data: asked.rgba as Uint8Array };
  answer(await answers[asked.what]!(asked, picture));
}
