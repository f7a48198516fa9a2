/**
 * The homography between two views of a face, as a flat print would have moved: enhanced
 * correlation coefficient (Evangelidis and Psarakis 2008), in the steps of OpenCV's
 * `findTransformECC`.
 */

import { blurredByFive, planeOf, type Plane } from "./filters";
import type { Grey } from "./picture";
import { APPEARANCE } from "./recipe";

const COUNT = 8;

/** What the fit sees: 1 inside the face. */
export const FACE = (() => {
  const [left, top, right, bottom] = APPEARANCE.face as [number, number, number, number];
  const mask = new Uint8Array(APPEARANCE.width * APPEARANCE.height);
  for (let y = top; y < bottom; y += 1) {
    mask.fill(1, y * APPEARANCE.width + left, y * APPEARANCE.width + right);
  }
  return mask;
})();

/** `FACE` as OpenCV blurs and cuts it before the fit. */
const FITTED = (() => {
  const { width, height } = APPEARANCE;
  const soft = blurredByFive({ width, height, data: Float32Array.from(FACE) });
  return Uint8Array.from(soft.data, (value) => ((value * 0.5) / 0.95 > 0.5 ? 1 : 0));
})();

/**
 * The homography (three rows of three, from `past` to `now`) under which `now` looks most like
 * `past`; null where the two have no resemblance to start from. Both have the size of a view.
 */
export function fittedPlane(past: Grey, now: Grey): Float64Array | null {
  const fit = new Fit(past, now);
  let [rho, before] = [-1, -APPEARANCE.eccEnough];
  for (let step = 0; step < APPEARANCE.eccSteps; step += 1) {
    if (Math.abs(rho - before) < APPEARANCE.eccEnough) break;
    before = rho;
    const now = fit.improve();
    if (now === null) return null;
    rho = now;
  }
  return fit.map;
}

class Fit {
  readonly map = Float64Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1);
  private readonly template: Float32Array;
  private readonly image: Plane;
  private readonly gradientX: Float32Array;
  private readonly gradientY: Float32Array;
  private readonly warped: Float32Array;
  private readonly columns: Float32Array;
  private readonly inside: Uint8Array;

  constructor(past: Grey, now: Grey) {
    this.template = blurredByFive(planeOf(past)).data;
    this.image = blurredByFive(planeOf(now));
    [this.gradientX, this.gradientY] = gradients(this.image);
    const count = this.template.length;
    this.warped = new Float32Array(count);
    this.columns = new Float32Array(COUNT * count);
    this.inside = new Uint8Array(count);
  }

  /** One step: the correlation before it, or null where it does not lead anywhere. */
  improve(): number | null {
    this.project();
    const { template, warped, inside } = this;
    let [count, imageMean, templateMean] = [0, 0, 0];
    for (let i = 0; i < inside.length; i += 1) {
      if (!inside[i]) continue;
      count += 1;
      imageMean += warped[i]!;
      templateMean += template[i]!;
    }
    [imageMean, templateMean] = [imageMean / count, templateMean / count];
    let [imageSquare, templateSquare, correlation] = [0, 0, 0];
    const centred = new Float32Array(template.length);
    for (let i = 0; i < inside.length; i += 1) {
      if (!inside[i]) continue;
      const [image, model] = [warped[i]! - imageMean, template[i]! - templateMean];
      warped[i] = image;
      centred[i] = model;
      imageSquare += image * image;
      templateSquare += model * model;
      correlation += image * model;
    }
    const rho = correlation / Math.sqrt(imageSquare * templateSquare);
    if (Number.isNaN(rho)) return null;
    const delta = this.step(centred, imageSquare, correlation);
    if (delta === null) return null;
    // parameters run down the columns of the map
    for (let k = 0; k < COUNT; k += 1) {
      const at = 3 * (k % 3) + Math.floor(k / 3);
      this.map[at] = Math.fround(this.map[at]! + delta[k]!);
    }
    return rho;
  }

  private step(
    centred: Float32Array,
    imageSquare: number,
    correlation: number,
  ): Float64Array | null {
    const { hessian, ofImage, ofTemplate } = this.products(centred);
    const solved = solve(hessian, ofImage);
    if (solved === null) return null;
    const numerator = imageSquare - dot(ofImage, solved);
    const denominator = correlation - dot(ofTemplate, solved);
    if (denominator <= 0) return null;
    const lambda = numerator / denominator;
    return solve(
      hessian,
      ofTemplate.map((value, i) => lambda * value - ofImage[i]!),
    );
  }

  /** The Jacobian times itself, times the image, and times the template. */
  private products(centred: Float32Array): {
    hessian: Float64Array;
    ofImage: Float64Array;
    ofTemplate: Float64Array;
  } {
    const hessian = new Float64Array(COUNT * COUNT);
    const [ofImage, ofTemplate] = [new Float64Array(COUNT), new Float64Array(COUNT)];
    const { columns, warped } = this;
    for (let i = 0, at = 0; i < warped.length; i += 1, at += COUNT) {
      if (columns[at + 6] === 0 && columns[at + 7] === 0) continue;
      const [image, model] = [warped[i]!, centred[i]!];
      for (let k = 0; k < COUNT; k += 1) {
        const value = columns[at + k]!;
        ofImage[k]! += value * image;
        ofTemplate[k]! += value * model;
        for (let l = k; l < COUNT; l += 1) hessian[k * COUNT + l]! += value * columns[at + l]!;
      }
    }
    for (let k = 0; k < COUNT; k += 1) {
      for (let l = 0; l < k; l += 1) hessian[k * COUNT + l] = hessian[l * COUNT + k]!;
    }
    return { hessian, ofImage, ofTemplate };
  }

  /** Image, mask and Jacobian where the map takes each pixel of the template. */
  private project(): void {
    const [h0, h1, h2, h3, h4, h5, h6, h7] = this.map as unknown as number[];
    const { width, height, data } = this.image;
    const { columns, inside, warped, gradientX, gradientY } = this;
    for (let y = 0, i = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, i += 1) {
        const under = h6! * x + h7! * y + 1;
        const px = (h0! * x + h1! * y + h2!) / under;
        const py = (h3! * x + h4! * y + h5!) / under;
        const [nx, ny] = [Math.round(px), Math.round(py)];
        const seen = nx >= 0 && ny >= 0 && nx < width && ny < height;
        inside[i] = seen ? FITTED[ny * width + nx]! : 0;
        const [left, top] = [Math.floor(px), Math.floor(py)];
        const at = COUNT * i;
        if (left < -1 || top < -1 || left >= width || top >= height) {
          warped[i] = 0;
          columns.fill(0, at, at + COUNT);
          continue;
        }
        const [fx, fy] = [px - left, py - top];
        const [onLeft, onRight] = [left >= 0, left + 1 < width];
        const [onTop, onBottom] = [top >= 0, top + 1 < height];
        const from = top * width + left;
        const w00 = onLeft && onTop ? (1 - fx) * (1 - fy) : 0;
        const w01 = onRight && onTop ? fx * (1 - fy) : 0;
        const w10 = onLeft && onBottom ? (1 - fx) * fy : 0;
        const w11 = onRight && onBottom ? fx * fy : 0;
        const [a, b] = [w00 ? from : 0, w01 ? from + 1 : 0];
        const [c, d] = [w10 ? from + width : 0, w11 ? from + width + 1 : 0];
        warped[i] = w00 * data[a]! + w01 * data[b]! + w10 * data[c]! + w11 * data[d]!;
        const dx =
          (w00 * gradientX[a]! + w01 * gradientX[b]! + w10 * gradientX[c]! + w11 * gradientX[d]!) /
          under;
        const dy =
          (w00 * gradientY[a]! + w01 * gradientY[b]! + w10 * gradientY[c]! + w11 * gradientY[d]!) /
          under;
        const toward = -(px * dx + py * dy);
        columns[at] = dx * x;
        columns[at + 1] = dy * x;
        columns[at + 2] = toward * x;
        columns[at + 3] = dx * y;
        columns[at + 4] = dy * y;
        columns[at + 5] = toward * y;
        columns[at + 6] = dx;
        columns[at + 7] = dy;
      }
    }
  }
}

/** Half the difference of the neighbours, mirrored at the edges, within the fitted mask. */
function gradients({ width, height, data }: Plane): readonly [Float32Array, Float32Array] {
  const [across, down] = [new Float32Array(data.length), new Float32Array(data.length)];
  const inner = (at: number, length: number): number =>
    at < 0 ? -at : at >= length ? 2 * length - 2 - at : at;
  for (let y = 0, i = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, i += 1) {
      if (!FITTED[i]) continue;
      const row = y * width;
      across[i] = 0.5 * (data[row + inner(x + 1, width)]! - data[row + inner(x - 1, width)]!);
      down[i] =
        0.5 * (data[inner(y + 1, height) * width + x]! - data[inner(y - 1, height) * width + x]!);
    }
  }
  return [across, down];
}

/** Gaussian elimination with pivots; null for a singular matrix. */
function solve(matrix: Float64Array, right: Float64Array): Float64Array | null {
  const [a, b] = [matrix.slice(), right.slice()];
  for (let k = 0; k < COUNT; k += 1) {
    let pivot = k;
    for (let row = k + 1; row < COUNT; row += 1) {
      if (Math.abs(a[row * COUNT + k]!) > Math.abs(a[pivot * COUNT + k]!)) pivot = row;
    }
    if (a[pivot * COUNT + k] === 0) return null;
    for (let column = 0; column < COUNT; column += 1) {
      const held = a[k * COUNT + column]!;
      a[k * COUNT + column] = a[pivot * COUNT + column]!;
      a[pivot * COUNT + column] = held;
    }
    [b[k], b[pivot]] = [b[pivot]!, b[k]!];
    for (let row = k + 1; row < COUNT; row += 1) {
      const factor = a[row * COUNT + k]! / a[k * COUNT + k]!;
      for (let column = k; column < COUNT; column += 1) {
        a[row * COUNT + column]! -= factor * a[k * COUNT + column]!;
      }
      b[row]! -= factor * b[k]!;
    }
  }
  for (let k = COUNT - 1; k >= 0; k -= 1) {
    for (let column = k + 1; column < COUNT; column += 1) {
      b[k]! -= a[k * COUNT + column]! * b[column]!;
    }
    b[k]! /= a[k * COUNT + k]!;
  }
  return b;
}

const dot = (a: Float64Array, b: Float64Array): number =>
  a.reduce((sum, value, i) => sum + value * b[i]!, 0);
