/**
 * A face brought to the 112x112 pose of ArcFace models, and its raw vector by `fr_feature`
 * (gateway/vision/alignment.py, embedder.py). The model takes blue first.
 */

import type { Picture, Points, Rgb } from "./picture";
import RECIPE from "./recipe";
import { Model } from "./runtime";
import { similarity, warped } from "./warp";

export const ALIGNED = RECIPE.alignment.side;
export const TEMPLATE = Float32Array.from(RECIPE.alignment.template.flat());
const { mean, divisor } = RECIPE.embedding;

/** The aligned face with these five points; black where it reaches beyond the picture. */
export const aligned = (picture: Picture, five: Points): Rgb =>
  warped(picture, similarity(five, TEMPLATE), ALIGNED);

export class Embedder {
  private readonly input = new Float32Array(3 * ALIGNED * ALIGNED);

  constructor(private readonly model: Model) {}

  /** The model's vector of an aligned face, not normalised. */
  async rawVector(face: Rgb): Promise<Float32Array> {
    const plane = ALIGNED * ALIGNED;
    for (let i = 0, at = 0; i < plane; i += 1, at += 3) {
      for (let channel = 0; channel < 3; channel += 1) {
        this.input[(2 - channel) * plane + i] = (face.data[at + channel]! - mean) / divisor;
      }
    }
    return this.model.one(this.input, [1, 3, ALIGNED, ALIGNED]);
  }
}

/** The vector with length 1, normalised in float64; null for one that has no direction. */
export function unit(raw: Float32Array): Float32Array | null {
  const length = Math.sqrt(raw.reduce((sum, value) => sum + value * value, 0));
  if (!Number.isFinite(length) || length === 0) return null;
  return raw.map((value) => value / length);
}
