/**
 * OpenCV's filters as the quality gate uses them, on small grey pictures.
 *
 * Sums are float32, as there; their order is not OpenCV's, so values agree to about 1e-6 of 255.
 */

import type { Grey } from "./picture";

const f32 = Math.fround;

/** One channel of float32. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

export const planeOf = ({ width, height, data }: Grey): Plane => ({
  width,
  height,
  data: Float32Array.from(data),
});

/** `cv2.GaussianBlur(plane, (0, 0), sigma)` of float32 values: 8 sigma + 1 taps, mirrored edges. */
export function blurred(plane: Plane, sigma: number): Plane {
  return smoothed(plane, kernelOf(Math.round(sigma * 8 + 1) | 1, sigma));
}

const FIVE = [1 / 16, 1 / 4, 3 / 8, 1 / 4, 1 / 16];
/** `cv2.GaussianBlur(plane, (5, 5), 0)`: without a sigma, five taps are a fixed binomial. */
export const blurredByFive = (plane: Plane): Plane => smoothed(plane, Float64Array.from(FIVE));

function kernelOf(taps: number, sigma: number): Float64Array {
  const middle = (taps - 1) / 2;
  const raw = Float64Array.from({ length: taps }, (_, i) =>
    Math.exp((-0.5 * (i - middle) ** 2) / sigma ** 2),
  );
  const sum = raw.reduce((total, value) => total + value, 0);
  return raw.map((value) => f32(value / sum));
}

/** Index of a pixel beyond an edge, mirrored without repeating the edge (BORDER_REFLECT_101). */
const mirrored = (at: number, length: number): number =>
  at < 0 ? -at : at >= length ? 2 * length - 2 - at : at;

function smoothed({ width, height, data }: Plane, kernel: Float64Array): Plane {
  const half = (kernel.length - 1) / 2;
  const rows = new Float32Array(data.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (let k = -half; k <= half; k += 1) {
        sum += kernel[k + half]! * data[y * width + mirrored(x + k, width)]!;
      }
      rows[y * width + x] = sum;
    }
  }
  const result = new Float32Array(data.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let sum = 0;
      for (let k = -half; k <= half; k += 1) {
        sum += kernel[k + half]! * rows[mirrored(y + k, height) * width + x]!;
      }
      result[y * width + x] = sum;
    }
  }
  return { width, height, data: result };
}

/** `cv2.Laplacian`: the four neighbours less four times the pixel, mirrored edges. */
export function laplacian({ width, height, data }: Plane): Plane {
  const result = new Float32Array(data.length);
  const at = (x: number, y: number): number =>
    data[mirrored(y, height) * width + mirrored(x, width)]!;
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      result[y * width + x] =
        at(x - 1, y) + at(x + 1, y) + at(x, y - 1) + at(x, y + 1) - 4 * at(x, y);
    }
  }
  return { width, height, data: result };
}

/** `cv2.medianBlur(grey, 3)`: repeated edges. */
export function medianOfNine({ width, height, data }: Grey): Grey {
  const result = new Uint8Array(data.length);
  const around = new Uint8Array(9);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      let count = 0;
      for (let dy = -1; dy <= 1; dy += 1) {
        const row = Math.min(Math.max(y + dy, 0), height - 1) * width;
        for (let dx = -1; dx <= 1; dx += 1) {
          around[count] = data[row + Math.min(Math.max(x + dx, 0), width - 1)]!;
          count += 1;
        }
      }
      around.sort();
      result[y * width + x] = around[4]!;
    }
  }
  return { width, height, data: result };
}
