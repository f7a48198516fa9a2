/**
 * Faces of a picture, and the unit embedding of the one that the quality gate lets through
 * (gateway/vision/pipeline.py).
 *
 * Rule: no vector leaves this module of a picture that the gate refuses, and a choice between two
 * people is never made silently.
 */

import { FaceDetector, type Detection } from "./detector";
import { Embedder, aligned, unit } from "./embedder";
import { EyeStates, PassiveLiveness } from "./eyes";
import { LandmarkFinder, fivePoints } from "./landmarks";
import type { Pack } from "./pack";
import { heightOf, turned, type Box, type Picture, type Points, type Rgb } from "./picture";
import { GOOD, QualityGate, type Finding } from "./quality/gate";
import type { Measures } from "./quality/measures";
import RECIPE from "./recipe";
import { Model } from "./runtime";

const { rivalHeight, minFaceHeight } = RECIPE.choice;

/** One face: where it is, how sure the detector is, and its points. */
export interface DetectedFace {
  readonly box: Box;
  readonly score: number;
  /** Eyes, nose tip, mouth corners; of each pair the picture's left one first. */
  readonly five: Points;
  /** 68 points in the iBUG order, (x, y) in turn. */
  readonly landmarks: Points;
}

/** A picture or a face that is not embedded, as one word that names the advice. */
export type Refusal = "no-face" | "several-faces" | "too-small" | Finding;

/** Nothing was embedded. The message is the word alone. */
export class Refused extends Error {
  override readonly name = "Refused";
  constructor(readonly what: Refusal) {
    super(what);
  }
}

/** A unit embedding, and how often the picture was turned counter-clockwise for it. */
export interface Embedded {
  readonly vector: Float32Array;
  readonly quarterTurns: number;
}

/** A face before the gate judges it. */
export interface Examined {
  readonly raw: Float32Array;
  readonly measured: Measures;
}

export class FacePipeline {
  /** The face that was brought upright last, with its vector once that was asked for. */
  private held: { readonly five: Points; readonly view: Rgb; raw: Float32Array | null } | null =
    null;

  private constructor(
    private readonly dimension: number,
    private readonly detector: FaceDetector,
    readonly landmarks: LandmarkFinder,
    private readonly embedder: Embedder,
    private readonly gate: QualityGate,
    readonly eyes: EyeStates,
    readonly passive: PassiveLiveness,
  ) {}

  static async load(pack: Pack): Promise<FacePipeline> {
    const model = (name: keyof Pack["contents"]): Promise<Model> => Model.of(pack.contents[name]);
    const landmarks = new LandmarkFinder(await model("fr_landmark.onnx"));
    const pipeline = new FacePipeline(
      pack.dimension,
      new FaceDetector(await model("fr_detect.onnx")),
      landmarks,
      new Embedder(await model("fr_feature.onnx")),
      new QualityGate(pack.quality, landmarks),
      new EyeStates(await model("fr_eye.onnx")),
      new PassiveLiveness(await model("fr_liveness.onnx")),
    );
    await pipeline.warm();
    return pipeline;
  }

  /** Run each model once, so that the camera's first picture does not wait for the engine. */
  private async warm(): Promise<void> {
    const side = 64;
    const black = { width: side, height: side, data: new Uint8Array(4 * side * side) };
    const box = { left: 0, top: 0, right: side, bottom: side };
    await this.detector.detect(black);
    const points = await this.landmarks.landmarks(black, box);
    await this.eyes.closed(black, points);
    await this.passive.score(black, box);
    await this.embedder.rawVector(aligned(black, fivePoints(points)));
  }

  /** Every face of a camera's picture, tallest first; possibly none. */
  async faces(picture: Picture): Promise<DetectedFace[]> {
    return this.withPoints(picture, await this.detector.detect(picture));
  }

  /**
   * The unit embedding of the only face of a picture, which is turned by right angles where its
   * face does not stand upright. @throws Refused
   */
  async embed(picture: Picture): Promise<Embedded> {
    try {
      return await this.embedUpright(picture, 0);
    } catch (refused) {
      if (!(refused instanceof Refused) || UNTURNED.has(refused.what)) throw refused;
      const upright = await this.turnedUpright(picture);
      if (upright === null) throw refused;
      return upright;
    }
  }

  /** The only face of a picture, small ones looked for as well. @throws Refused */
  async onlyFace(picture: Picture): Promise<DetectedFace> {
    let faces = await this.faces(picture);
    if (!faces[0] || heightOf(faces[0].box) < RECIPE.tiles.sure * picture.height) {
      faces = await this.withPoints(picture, await this.detector.detectClosely(picture));
    }
    const face = onlyFace(faces);
    if (heightOf(face.box) < minFaceHeight) throw new Refused("too-small");
    return face;
  }

  /** The unit embedding of a face that was found in `picture`. @throws Refused */
  async embedFace(picture: Picture, face: DetectedFace): Promise<Float32Array> {
    const { raw, measured } = await this.examine(picture, face);
    const vector = raw.length === this.dimension ? unit(raw) : null;
    if (vector === null) throw new Refused("no-face");
    const finding = this.gate.judge(measured);
    if (finding !== GOOD) throw new Refused(finding);
    return vector;
  }

  /** What the gate judges; for `embedFace`, and for comparisons. `raw` is not the caller's. */
  async examine(picture: Picture, face: DetectedFace): Promise<Examined> {
    const view = this.aligned(picture, face.five);
    const held = this.held!;
    const raw = (held.raw ??= await this.embedder.rawVector(view));
    return { raw, measured: await this.gate.measure(face, view, raw) };
  }

  /**
   * The face with these five points, upright. It is kept until another is asked for or `forget`: a
   * capture embeds some pictures twice, to follow a face and to send it.
   */
  aligned(picture: Picture, five: Points): Rgb {
    if (this.held?.five !== five) {
      this.forget();
      this.held = { five, view: aligned(picture, five), raw: null };
    }
    return this.held.view;
  }

  /** Overwrite what is kept of the last face. */
  forget(): void {
    this.held?.view.data.fill(0);
    this.held?.raw?.fill(0);
    this.held = null;
  }

  /** The gate's verdict on measures. */
  judge(measured: Measures): Finding {
    return this.gate.judge(measured);
  }

  private async embedUpright(picture: Picture, quarterTurns: number): Promise<Embedded> {
    return { vector: await this.embedFace(picture, await this.onlyFace(picture)), quarterTurns };
  }

  /** The face in the first position of the picture that passes the gate. */
  private async turnedUpright(picture: Picture): Promise<Embedded | null> {
    for (const quarters of RECIPE.turning.quarters) {
      const view = turned(picture, quarters);
      try {
        return await this.embedUpright(view, quarters);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
      } finally {
        view.data.fill(0);
      }
    }
    return null;
  }

  private async withPoints(picture: Picture, found: Detection[]): Promise<DetectedFace[]> {
    const faces: DetectedFace[] = [];
    for (const { box, score } of found) {
      const landmarks = await this.landmarks.landmarks(picture, box);
      faces.push({ box, score, five: fivePoints(landmarks), landmarks });
    }
    return faces;
  }
}

/** Refusals after which no other position of the picture is tried. */
const UNTURNED: ReadonlySet<Refusal> = new Set(["several-faces", "too-small"]);

/** The tallest face and its rivals: who else could be meant. */
export function couldBeMeant(faces: readonly DetectedFace[]): DetectedFace[] {
  const tallest = Math.max(0, ...faces.map(({ box }) => heightOf(box)));
  return faces.filter(({ box }) => heightOf(box) >= rivalHeight * tallest);
}

function onlyFace(faces: readonly DetectedFace[]): DetectedFace {
  const meant = couldBeMeant(faces);
  if (meant.length > 1) throw new Refused("several-faces");
  if (!meant[0]) throw new Refused("no-face");
  return meant[0];
}
