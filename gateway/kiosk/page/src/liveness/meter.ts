/**
 * Pictures in, measurements out: what a capture runs on every view
 * (gateway/vision/liveness/meter.py). Pictures and vectors stay in memory, and no picture is kept.
 */

import { Appearance, alignedView, contrasts } from "../vision/appearance";
import { PassiveLiveness } from "../vision/eyes";
import type { Box, Picture } from "../vision/picture";
import { couldBeMeant, type DetectedFace, type FacePipeline, Refused } from "../vision/pipeline";
import { GOOD } from "../vision/quality/gate";
import { sharpnessAndExposure } from "../vision/sharpness";
import { steadyLandmarks } from "../vision/steady";
import { vision } from "./limits";
import {
  breadthOf,
  eyeAspectOf,
  type FrameMeasurement,
  mouthOpenOf,
  pitchOf,
  rollDegOf,
  turnOf,
  withoutFace,
} from "./measurement";
import { FaceTrack } from "./tracking";

const limits = vision.meter;
const SEVERAL = 2;

/** One capture: feed pictures in order of time, one after the other. */
export class LivenessMeter {
  private readonly track = new FaceTrack();
  private readonly appearance = new Appearance();
  private turnAtMs: number | null = null;

  constructor(private readonly pipeline: FacePipeline) {}

  /** One picture, taken `atMs` after any fixed moment. */
  async measure(picture: Picture, atMs: number): Promise<FrameMeasurement<DetectedFace>> {
    const faces = couldBeMeant(await this.pipeline.faces(picture));
    const found = this.track.pick(faces);
    if (found === null) {
      const goesOn = this.track.lose(atMs);
      const turns = await this.uprightTurns(picture, atMs, false);
      return withoutFace(atMs, brightness(picture), goesOn, turns);
    }
    const points = await steadyLandmarks(this.pipeline.landmarks, picture, found.landmarks);
    const [fits, look] = this.track.follow(atMs, points);
    const [same, finding] = look ? await this.same(picture, found, atMs) : [true, null];
    const continuous = fits && same;
    if (!continuous) this.appearance.reset();
    const eachClosed = await this.pipeline.eyes.closed(picture, points);
    const eyesClosed = Math.min(...eachClosed);
    const [mouthOpen, turn] = [mouthOpenOf(points), turnOf(points)];
    const view = alignedView(picture, points);
    const changes = this.appearance.observe(atMs, view, eyesClosed, mouthOpen, turn);
    const [eyesContrast, mouthContrast] = contrasts(view);
    const [sharpness, exposure] = sharpnessAndExposure(
      this.pipeline.aligned(picture, found.five),
    );
    return {
      atMs,
      faces: Math.min(faces.length, SEVERAL),
      face: { ...found, landmarks: points },
      turn,
      pitch: pitchOf(points),
      rollDeg: rollDegOf(points),
      eyesClosed,
      eyeAspect: eyeAspectOf(points),
      mouthOpen,
      sharpness,
      exposure,
      continuous,
      eyesChanged: changes.eyes,
      mouthChanged: changes.mouth,
      turnedChanged: changes.turned,
      breadth: breadthOf(points),
      eachClosed,
      eyesContrast,
      mouthContrast,
      finding,
      uprightTurns:
        finding === null ? 0 : await this.uprightTurns(picture, atMs, finding === GOOD),
    };
  }

  /** The unit embedding of a measured face. @throws Refused */
  embed(picture: Picture, face: DetectedFace): Promise<Float32Array> {
    return this.pipeline.embedFace(picture, face);
  }

  /** Advisory probability that the face is alive; null if too little around it is visible. */
  async passiveScore(picture: Picture, face: DetectedFace): Promise<number | null> {
    const inside = shareInside(PassiveLiveness.view(face.box), picture);
    if (inside < limits.surroundingsShare) return null;
    return this.pipeline.passive.score(picture, face.box);
  }

  /** Forget the person. */
  clear(): void {
    this.track.clear();
    this.appearance.reset();
    this.pipeline.forget();
  }

  /** Whether this is the tracked person, or cannot be told yet; and what the quality gate found. */
  private async same(
    picture: Picture,
    face: DetectedFace,
    atMs: number,
  ): Promise<readonly [boolean, string]> {
    try {
      const vector = await this.embed(picture, face);
      const same = this.track.identify(atMs, vector);
      vector.fill(0);
      return [same, GOOD];
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return [this.track.unsure(atMs), error.what];
    }
  }

  /** Whether the picture lies on its side or upside down: looked at now and then, while no good
   * face is seen in it. */
  private async uprightTurns(picture: Picture, atMs: number, good: boolean): Promise<number> {
    if (good || this.turnAtMs === null) {
      this.turnAtMs = good ? null : atMs + limits.turnAfterMs;
      return 0;
    }
    if (atMs < this.turnAtMs) return 0;
    this.turnAtMs = atMs + limits.turnEveryMs;
    try {
      const { vector, quarterTurns } = await this.pipeline.embed(picture);
      vector.fill(0);
      return quarterTurns;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return 0;
    }
  }
}

/** Mean of all channels, 0 to 1. */
function brightness({ data }: Picture): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) sum += data[i]! + data[i + 1]! + data[i + 2]!;
  return sum / ((data.length / 4) * 3 * 255);
}

function shareInside(square: Box, { width, height }: Picture): number {
  const across = Math.max(0, Math.min(square.right, width) - Math.max(square.left, 0));
  const down = Math.max(0, Math.min(square.bottom, height) - Math.max(square.top, 0));
  return (across * down) / ((square.right - square.left) * (square.bottom - square.top));
}
