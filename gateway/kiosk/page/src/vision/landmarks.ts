/**
 * Sixty-eight points on a face (iBUG order) in two passes of `fr_landmark`, and five of them
 * (gateway/vision/landmarks.py). All sums are float32, as numpy makes them.
 */

import type { Box, Grey, Picture, Points } from "./picture";
import { greyOf, heightOf, squareOf } from "./picture";
import RECIPE from "./recipe";
import { cut } from "./resize";
import { Model } from "./runtime";
import { bounds } from "./warp";

const { side: SIDE, divisor } = RECIPE.landmarks;
const f32 = Math.fround;

/** Indices of the points: eyes from and to, left and right in the picture. */
export const LEFT_EYE = [36, 42] as const;
export const RIGHT_EYE = [42, 48] as const;
const [NOSE_TIP, LEFT_CORNER, RIGHT_CORNER] = [30, 48, 54];

export class LandmarkFinder {
  private readonly input = new Float32Array(SIDE * SIDE);

  constructor(private readonly model: Model) {}

  /** The 68 points of the face in `box`, in pixels of the picture. */
  async landmarks(picture: Picture, box: Box): Promise<Points> {
    const side = heightOf(box);
    const first = await this.onePass(picture, squareOf(box, side));
    const [left, top, right, bottom] = bounds(first);
    const centre = [f32(f32(left + right) / 2), f32(f32(top + bottom) / 2)] as const;
    return this.onePass(picture, squareOf(box, side, centre));
  }

  /** The points in one grey square of 64x64: fractions of its side. */
  async fractions(grey: Grey): Promise<Points> {
    for (let i = 0; i < this.input.length; i += 1) this.input[i] = grey.data[i]! / divisor;
    return this.model.one(this.input, [1, 1, SIDE, SIDE]);
  }

  private async onePass(picture: Picture, square: Box): Promise<Points> {
    const points = await this.fractions(greyOf(cut(picture, square, SIDE)));
    const side = f32(square.right - square.left);
    const [left, top] = [f32(square.left), f32(square.top)];
    for (let i = 0; i < points.length; i += 2) {
      points[i] = f32(f32(points[i]! * side) + left);
      points[i + 1] = f32(f32(points[i + 1]! * side) + top);
    }
    return points;
  }
}

/** Eye centres, nose tip and mouth corners: five points, of each pair the picture's left first. */
export function fivePoints(points: Points): Points {
  const single = [NOSE_TIP, LEFT_CORNER, RIGHT_CORNER].flatMap((i) => [
    points[2 * i]!,
    points[2 * i + 1]!,
  ]);
  return Float32Array.of(...middle(points, LEFT_EYE), ...middle(points, RIGHT_EYE), ...single);
}

/** Mean of the points from one index to another, float32. */
export function middle(
  points: Points,
  [from, to]: readonly [number, number],
): readonly [number, number] {
  let [x, y] = [0, 0];
  for (let i = from; i < to; i += 1) {
    x = f32(x + points[2 * i]!);
    y = f32(y + points[2 * i + 1]!);
  }
  return [f32(x / (to - from)), f32(y / (to - from))];
}
