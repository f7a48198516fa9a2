/**
 * What can be measured of a face and its picture: the numbers of
 * gateway/vision/quality/measures.py, on the 112x112 pixels that the embedder sees.
 */

import { meanColour } from "../colour";
import { ALIGNED, TEMPLATE } from "../embedder";
import { blurred, laplacian, medianOfNine, planeOf, type Plane } from "../filters";
import type { LandmarkFinder } from "../landmarks";
import { greyOf, type Grey, type Points, type Rgb } from "../picture";
import RECIPE from "../recipe";
import { resizedGrey } from "../resize";
import { moved, similarity } from "../warp";

const OURS = RECIPE.measures;

/** Values by the names that a profile's limits have. */
export type Measures = Record<string, number>;

/** The pixels of the face: 1 inside. */
const FACE = (() => {
  const mask = new Uint8Array(ALIGNED * ALIGNED);
  OURS.faceSpans.forEach(([first, end], row) => {
    const from = (OURS.faceTop + row) * ALIGNED;
    mask.fill(1, from + first!, from + end!);
  });
  return mask;
})();

/** Light, sharpness and colour of an aligned face. */
export function pictureMeasures(aligned: Rgb): Measures {
  const grey = greyOf(aligned);
  const levels = ofFace(grey.data);
  const deviation = deviationOf(levels);
  const [a, b] = meanColour(aligned, FACE);
  return {
    "luminance-mean": meanOf(levels) / 255,
    "luminance-deviation": deviation / 255,
    "under-exposure": share(levels, (level) => level <= OURS.dark),
    "over-exposure": share(levels, (level) => level >= OURS.bright),
    "dynamic-range": entropy(levels),
    sharpness: sharpness(grey, deviation),
    grain: grain(grey, deviation),
    "eyes-darker": eyesDarker(grey, deviation),
    "colour-a": a,
    "colour-b": b,
    ...cells(grey),
  };
}

/** Size and position of a face from its five points. */
export function geometryMeasures(five: Points): Measures {
  const at = (i: number): readonly [number, number] => [five[2 * i]!, five[2 * i + 1]!];
  const [left, right, tip, leftCorner, rightCorner] = [at(0), at(1), at(2), at(3), at(4)];
  const eyes = [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2] as const;
  const axis = [right[0] - left[0], right[1] - left[1]] as const;
  const down = [
    (leftCorner[0] + rightCorner[0]) / 2 - eyes[0],
    (leftCorner[1] + rightCorner[1]) / 2 - eyes[1],
  ] as const;
  const nose = [tip[0] - eyes[0], tip[1] - eyes[1]] as const;
  const square = Math.max(axis[0] ** 2 + axis[1] ** 2, 1e-9);
  const across = (axis[0] * down[1] - axis[1] * down[0]) / square;
  const noseAcross = (axis[0] * nose[1] - axis[1] * nose[0]) / square;
  return {
    "inter-eye-distance": Math.hypot(Math.fround(axis[0]), Math.fround(axis[1])),
    roll: Math.abs((Math.atan2(axis[1], axis[0]) * 180) / Math.PI),
    misfit: rootMeanSquare(moved(five, similarity(five, TEMPLATE)), TEMPLATE),
    aspect: across,
    slant: Math.abs(axis[0] * down[0] + axis[1] * down[1]) / square,
    turn: Math.abs(axis[0] * nose[0] + axis[1] * nose[1]) / square,
    nose: across > 0 ? noseAcross / across : 0,
  };
}

/** How far the landmarks move when they are looked for again on the aligned face, in its pixels. */
export async function unrest(
  finder: LandmarkFinder,
  aligned: Rgb,
  before: Points,
): Promise<number> {
  const { top, left, side } = OURS.again;
  const grey = greyOf(aligned);
  const part = new Uint8Array(side * side);
  for (let y = 0; y < side; y += 1) {
    const from = (top + y) * ALIGNED + left;
    part.set(grey.data.subarray(from, from + side), y * side);
  }
  const model = RECIPE.landmarks.side;
  const view = resizedGrey({ width: side, height: side, data: part }, model, model);
  const found = await finder.fractions(view);
  const after = Float64Array.from(found, (value, i) => value * side + (i % 2 ? top : left));
  return rootMeanSquare(after, before);
}

/** Measures on a scale on which a linear discriminant can use them. */
export const derived = (measured: Measures): Measures => ({
  "norm-log": Math.log(Math.max(measured["embedding-norm"]!, 1e-6)),
  "under-exposure-log": Math.log1p(100 * measured["under-exposure"]!),
  "over-exposure-log": Math.log1p(100 * measured["over-exposure"]!),
  "aspect-squared": measured["aspect"]! ** 2,
  "luminance-squared": measured["luminance-mean"]! ** 2,
});

/** The 68 points on the aligned face, in its pixels. */
export const alignedLandmarks = (five: Points, landmarks: Points): Points =>
  Float32Array.from(moved(landmarks, similarity(five, TEMPLATE)));

/** Laplacian's deviation over that of the grey levels, after a Gaussian. */
function sharpness(grey: Grey, deviation: number): number {
  if (deviation <= 0) return 0;
  return deviationOf(ofFace(laplacian(blurred(planeOf(grey), OURS.fine)).data)) / deviation;
}

/** What a median of 3x3 pixels takes off, over the deviation of the grey levels. */
function grain(grey: Grey, deviation: number): number {
  const smooth = medianOfNine(grey);
  const fine = Float32Array.from(grey.data, (level, i) => level - smooth.data[i]!);
  return deviation > 0 ? deviationOf(ofFace(fine)) / deviation : 0;
}

/** How much darker the eyes are than the cheeks, in deviations. */
function eyesDarker(grey: Grey, deviation: number): number {
  if (deviation <= 0) return 0;
  const light = ({ rows, columns }: typeof OURS.eyes): number =>
    meanOf(columns.map((span) => meanOf(part(grey, rows, span))));
  return (light(OURS.cheeks) - light(OURS.eyes)) / deviation;
}

/** Brightness, contrast and detail of twenty parts of the face, against the whole of it. */
function cells(grey: Grey): Measures {
  const values = planeOf(grey);
  const smooth = blurred(values, OURS.detail);
  const fine = { ...values, data: values.data.map((value, i) => value - smooth.data[i]!) };
  const [rows, columns] = [OURS.cellRows, OURS.cellColumns];
  const whole = part(values, [rows[0]!, rows.at(-1)!], [columns[0]!, columns.at(-1)!]);
  const [mean, deviation] = [meanOf(whole), deviationOf(whole) + 1];
  const found: Measures = {};
  for (let row = 0; row + 1 < rows.length; row += 1) {
    for (let column = 0; column + 1 < columns.length; column += 1) {
      const span = [
        [rows[row]!, rows[row + 1]!],
        [columns[column]!, columns[column + 1]!],
      ] as const;
      const [light, detail] = [part(values, ...span), part(fine, ...span)];
      const name = `cell-${row}${column}`;
      found[`${name}-light`] = (meanOf(light) - mean) / deviation;
      found[`${name}-spread`] = Math.log(deviationOf(light) / deviation + 0.02);
      found[`${name}-detail`] = Math.log(deviationOf(detail) / deviation + 0.01);
    }
  }
  return found;
}

function ofFace(values: Uint8Array | Float32Array): Float64Array {
  const inside: number[] = [];
  for (let i = 0; i < FACE.length; i += 1) if (FACE[i]) inside.push(values[i]!);
  return Float64Array.from(inside);
}

function part(
  { width, data }: Grey | Plane,
  [top, bottom]: readonly number[],
  [left, right]: readonly number[],
): Float64Array {
  const [wide, tall] = [right! - left!, bottom! - top!];
  const found = new Float64Array(wide * tall);
  for (let y = 0; y < tall; y += 1) {
    const from = (top! + y) * width + left!;
    found.set(data.subarray(from, from + wide), y * wide);
  }
  return found;
}

function entropy(levels: Float64Array): number {
  const counts = new Float64Array(256);
  for (const level of levels) counts[level]! += 1;
  let sum = 0;
  for (const count of counts) {
    if (count > 0) sum -= (count / levels.length) * Math.log2(count / levels.length);
  }
  return sum;
}

export function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]!;
  return sum / values.length;
}

/** Standard deviation of a population. */
export function deviationOf(values: ArrayLike<number>): number {
  const mean = meanOf(values);
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += (values[i]! - mean) ** 2;
  return Math.sqrt(sum / values.length);
}

function share(values: Float64Array, holds: (value: number) => boolean): number {
  return values.filter(holds).length / values.length;
}

/** Root mean square distance of points. */
function rootMeanSquare(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += (a[i]! - b[i]!) ** 2;
  return Math.sqrt(sum / (a.length / 2));
}
