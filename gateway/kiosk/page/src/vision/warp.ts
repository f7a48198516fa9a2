/**
 * OpenCV's bilinear `warpAffine` and `warpPerspective`, and the similarity that brings a face
 * upright. Version 5 samples at exact places, not in steps of 1/32 pixel as earlier ones did.
 */

import type { Grey, Picture, Points, Rgb } from "./picture";

/** Two rows of three: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5. */
export type Affine = readonly [number, number, number, number, number, number];

/** Three rows of three. */
export type Homography = Float32Array | Float64Array;

/**
 * Least-squares similarity from `source` to `target`, each n points.
 *
 * Solves for (a, b, s, t) in x' = a x - b y + s, y' = b x + a y + t.
 */
export function similarity(source: ArrayLike<number>, target: ArrayLike<number>): Affine {
  const count = source.length / 2;
  let [mx, my, nx, ny] = [0, 0, 0, 0];
  for (let i = 0; i < count; i += 1) {
    mx += source[2 * i]! / count;
    my += source[2 * i + 1]! / count;
    nx += target[2 * i]! / count;
    ny += target[2 * i + 1]! / count;
  }
  let [square, along, across] = [0, 0, 0];
  for (let i = 0; i < count; i += 1) {
    const [x, y] = [source[2 * i]! - mx, source[2 * i + 1]! - my];
    const [u, v] = [target[2 * i]! - nx, target[2 * i + 1]! - ny];
    square += x * x + y * y;
    along += x * u + y * v;
    across += x * v - y * u;
  }
  const [a, b] = square > 0 ? [along / square, across / square] : [0, 0];
  return [a, -b, nx - a * mx + b * my, b, a, ny - b * mx - a * my];
}

/** Points after an affine transformation, float64. */
export function moved(points: ArrayLike<number>, by: Affine): Float64Array {
  const result = new Float64Array(points.length);
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [points[i]!, points[i + 1]!];
    result[i] = x * by[0] + y * by[1] + by[2];
    result[i + 1] = x * by[3] + y * by[4] + by[5];
  }
  return result;
}

/** The inverse, as OpenCV makes it; all zeros for a singular one. */
export function inverse(m: Affine): Affine {
  const determinant = m[0] * m[4] - m[1] * m[3];
  const d = determinant !== 0 ? 1 / determinant : 0;
  const [a, b, c, e] = [m[4] * d, -m[1] * d, -m[3] * d, m[0] * d];
  return [a, b, -a * m[2] - b * m[5], c, e, -c * m[2] - e * m[5]];
}

/** `cv2.warpAffine(picture, matrix, (side, side))` with black beyond the picture. */
export function warped(picture: Picture, matrix: Affine, side: number): Rgb {
  const m = inverse(matrix).map(Math.fround);
  const { width, height, data } = picture;
  const result = new Uint8Array(3 * side * side);
  const at = (x: number, y: number, channel: number): number =>
    x >= 0 && x < width && y >= 0 && y < height ? data[4 * (y * width + x) + channel]! : 0;
  for (let y = 0, to = 0; y < side; y += 1) {
    const [beginX, beginY] = [begin(y, m[1]!, m[2]!), begin(y, m[4]!, m[5]!)];
    for (let x = 0; x < side; x += 1, to += 3) {
      const sx = Math.fround(x * m[0]! + beginX);
      const sy = Math.fround(x * m[3]! + beginY);
      const [left, top] = [Math.floor(sx), Math.floor(sy)];
      if (left < -1 || top < -1 || left >= width || top >= height) continue;
      const [fx, fy] = [sx - left, sy - top];
      for (let channel = 0; channel < 3; channel += 1) {
        result[to + channel] = bilinear(
          at(left, top, channel),
          at(left + 1, top, channel),
          at(left, top + 1, channel),
          at(left + 1, top + 1, channel),
          fx,
          fy,
        );
      }
    }
  }
  return { width: side, height: side, data: result };
}

/** What a row adds to a coordinate, in OpenCV's order: two roundings here, one with the column. */
const begin = (y: number, factor: number, shift: number): number =>
  Math.fround(Math.fround(y * factor) + shift);

/** Where a pixel of the result lies in the source. */
type Place = (x: number, y: number) => readonly [number, number];

/** `cv2.warpAffine` of a grey picture; beyond it black, or its nearest pixel. */
export function warpedGrey(
  grey: Grey,
  matrix: Affine,
  width: number,
  height: number,
  border: "black" | "repeat",
): Grey {
  const m = inverse(matrix).map(Math.fround);
  return sampled(grey, width, height, border, (x, y) => [
    Math.fround(x * m[0]! + begin(y, m[1]!, m[2]!)),
    Math.fround(x * m[3]! + begin(y, m[4]!, m[5]!)),
  ]);
}

/** `cv2.warpPerspective` with WARP_INVERSE_MAP and repeated edges: `m` maps result to source. */
export function warpedPlane(grey: Grey, m: Homography): Grey {
  const f = Float32Array.from(m);
  return sampled(grey, grey.width, grey.height, "repeat", (x, y) => {
    const w = f[6]! * x + f[7]! * y + f[8]!;
    return [
      Math.fround((f[0]! * x + f[1]! * y + f[2]!) / w),
      Math.fround((f[3]! * x + f[4]! * y + f[5]!) / w),
    ];
  });
}

function sampled(
  grey: Grey,
  width: number,
  height: number,
  border: "black" | "repeat",
  place: Place,
): Grey {
  const result = new Uint8Array(width * height);
  const [right, bottom] = [grey.width - 1, grey.height - 1];
  const at = (x: number, y: number): number => {
    if (x < 0 || y < 0 || x > right || y > bottom) {
      if (border === "black") return 0;
      x = Math.min(Math.max(x, 0), right);
      y = Math.min(Math.max(y, 0), bottom);
    }
    return grey.data[y * grey.width + x]!;
  };
  for (let y = 0, to = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, to += 1) {
      const [sx, sy] = place(x, y);
      if (!(Math.abs(sx) < 1e6 && Math.abs(sy) < 1e6)) continue;
      const [left, top] = [Math.floor(sx), Math.floor(sy)];
      result[to] = bilinear(
        at(left, top),
        at(left + 1, top),
        at(left, top + 1),
        at(left + 1, top + 1),
        sx - left,
        sy - top,
      );
    }
  }
  return { width, height, data: result };
}

/** Rounded; the order of the sums is OpenCV's. */
function bilinear(a: number, b: number, c: number, d: number, fx: number, fy: number): number {
  const upper = Math.fround(a + fx * (b - a));
  const lower = Math.fround(c + fx * (d - c));
  const value = Math.fround(upper + fy * (lower - upper));
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** Bounding box of points: [left, top, right, bottom]. */
export function bounds(points: Points): readonly [number, number, number, number] {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < points.length; i += 2) {
    left = Math.min(left, points[i]!);
    right = Math.max(right, points[i]!);
    top = Math.min(top, points[i + 1]!);
    bottom = Math.max(bottom, points[i + 1]!);
  }
  return [left, top, right, bottom];
}
