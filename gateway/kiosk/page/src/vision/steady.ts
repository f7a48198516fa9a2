/**
 * Landmarks steady enough to tell motion from noise: the mean of nine views of `fr_landmark`
 * (gateway/vision/liveness/landmarks.py). Embeddings keep the two-pass points.
 */

import { fivePoints, type LandmarkFinder } from "./landmarks";
import { greyRegion, type Box, type Grey, type Picture, type Points } from "./picture";
import RECIPE from "./recipe";
import { shrunk } from "./resize";
import { warpedGrey, type Affine } from "./warp";

const MODEL = RECIPE.landmarks.side;
const { sides, step, shrinkAbove } = RECIPE.steady;
const SHIFTS = [-step, 0, step].flatMap((x) => [-step, 0, step].map((y) => [x, y] as const));

/** How far views reach from the middle, in sides: half the diagonal and a shift. */
const REACH = Math.SQRT1_2 + Math.SQRT2 * step;

type Place = readonly [number, number];

/** The 68 points of the face near `start`, in pixels of the picture. */
export async function steadyLandmarks(
  finder: LandmarkFinder,
  picture: Picture,
  start: Points,
): Promise<Points> {
  const { centre, side, angle } = frameOf(start);
  const half = Math.trunc(1.5 * side) + 2;
  const [left, top] = [Math.trunc(centre[0]) - half, Math.trunc(centre[1]) - half];
  let factor = 1;
  while (side / factor > shrinkAbove) factor *= 2;
  const size = Math.floor((2 * half) / factor);
  const middle: Place = [
    (centre[0] - left + 0.5) / factor - 0.5,
    (centre[1] - top + 0.5) / factor - 0.5,
  ];
  const seen = windowAbout(middle, (REACH * side) / factor, size);
  const grey = greyRegion(picture, left, top, 2 * half, 2 * half, grown(seen, factor));
  const small = shrunk(grey, size, size, seen);
  const sum = new Float64Array(start.length);
  for (const shift of SHIFTS) {
    const points = await viewed(finder, small, middle, side / factor, angle, shift);
    for (let i = 0; i < sum.length; i += 1) sum[i]! += points[i]!;
  }
  const origin: Place = [left, top];
  return Float32Array.from(
    sum,
    (value, i) => (value / SHIFTS.length + 0.5) * factor - 0.5 + origin[i % 2]!,
  );
}

/** The pixels that views can touch. */
function windowAbout(middle: Place, reach: number, size: number): Box {
  const within = (value: number): number => Math.min(Math.max(Math.floor(value), 0), size);
  return {
    left: within(middle[0] - reach - 1),
    top: within(middle[1] - reach - 1),
    right: within(middle[0] + reach + 3),
    bottom: within(middle[1] + reach + 3),
  };
}

/** What lies under a window of a picture that is `factor` times as small, with a pixel to spare. */
const grown = ({ left, top, right, bottom }: Box, factor: number): Box => ({
  left: Math.max(left * factor - factor, 0),
  top: Math.max(top * factor - factor, 0),
  right: (right + 2) * factor,
  bottom: (bottom + 2) * factor,
});

/** The square for these points: its centre, side in pixels and tilt in radians. */
function frameOf(points: Points): { centre: Place; side: number; angle: number } {
  const five = fivePoints(points);
  const axis: Place = [five[2]! - five[0]!, five[3]! - five[1]!];
  const angle = Math.atan2(axis[1], axis[0]);
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    const along = points[i]! * cos + points[i + 1]! * sin;
    const across = points[i + 1]! * cos - points[i]! * sin;
    [left, right] = [Math.min(left, along), Math.max(right, along)];
    [top, bottom] = [Math.min(top, across), Math.max(bottom, across)];
  }
  const [along, across] = [(left + right) / 2, (top + bottom) / 2];
  const toMouth: Place = [
    (five[6]! + five[8]! - five[0]! - five[2]!) / 2,
    (five[7]! + five[9]! - five[1]! - five[3]!) / 2,
  ];
  const side = sides * (Math.hypot(...axis) + Math.hypot(...toMouth));
  return {
    centre: [along * cos - across * sin, along * sin + across * cos],
    side: Math.max(side, 8),
    angle,
  };
}

/** The points that the model finds in one upright view, in pixels of `grey`. */
async function viewed(
  finder: LandmarkFinder,
  grey: Grey,
  middle: Place,
  side: number,
  angle: number,
  shift: Place,
): Promise<Float64Array> {
  const scale = MODEL / side;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [middle[0] + shift[0] * side, middle[1] + shift[1] * side];
  const [a, b] = [cos * scale, sin * scale];
  const matrix: Affine = [a, b, MODEL / 2 - a * x - b * y, -b, a, MODEL / 2 + b * x - a * y];
  const found = await finder.fractions(warpedGrey(grey, matrix, MODEL, MODEL, "black"));
  const points = new Float64Array(found.length);
  for (let i = 0; i < points.length; i += 2) {
    const along = Math.fround(found[i]! * MODEL) - MODEL / 2;
    const across = Math.fround(found[i + 1]! * MODEL) - MODEL / 2;
    points[i] = (along * cos - across * sin) / scale + x;
    points[i + 1] = (along * sin + across * cos) / scale + y;
  }
  return points;
}
