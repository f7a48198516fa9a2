/**
 * What one view says about the face in it: numbers, no pixels (gateway/vision/liveness/measurement.py).
 *
 * The 68 points come in the iBUG order, as (x, y) one after the other. Turn is positive when the nose
 * points to the right of an unmirrored picture, which is the person's own left; pitch grows as the
 * head bows. Every ratio is the same after shift, scale and rotation of the points.
 */

import { vision } from "./limits";

const shape = vision.points;

/** What the challenge needs of a face; the rest of it belongs to `src/vision`. */
export interface SeenFace {
  /** Eyes, nose tip, mouth corners: (x, y) one after the other. */
  readonly five: ArrayLike<number>;
}

/**
 * One view. Without a face `face` is null, `exposure` is the whole picture's, and every other
 * measurement is zero. Names and meanings are those of Python's `FrameMeasurement`.
 */
export interface FrameMeasurement<F extends SeenFace = SeenFace> {
  readonly atMs: number;
  /** 0, 1, or 2 if several could be the customer's; `face` is then the tracked one. */
  readonly faces: number;
  readonly face: F | null;
  readonly turn: number;
  readonly pitch: number;
  readonly rollDeg: number;
  /** Probability that the eye that is more open is closed. */
  readonly eyesClosed: number;
  readonly eyeAspect: number;
  readonly mouthOpen: number;
  readonly sharpness: number;
  /** Mean luma of the face, 0 black to 1 white. */
  readonly exposure: number;
  /** The same person's face as in the view before, as far as checks were due. */
  readonly continuous: boolean;
  /** How far eyes or mouth look different from before, 0 to 2. */
  readonly eyesChanged: number;
  readonly mouthChanged: number;
  readonly turnedChanged: number;
  readonly breadth: number;
  /** Probability that each eye is closed, the picture's left one first. */
  readonly eachClosed: readonly [number, number];
  readonly eyesContrast: number;
  readonly mouthContrast: number;
  /** What the quality gate said: a refusal's code, "good", or null where it was not asked. */
  readonly finding: string | null;
  /** Quarter turns of the picture, counter-clockwise, after which its face passes the gate. */
  readonly uprightTurns: number;
}

/** A view without a face. */
export const withoutFace = (
  atMs: number,
  exposure: number,
  continuous: boolean,
  uprightTurns = 0,
): FrameMeasurement<never> => ({
  atMs,
  faces: 0,
  face: null,
  turn: 0,
  pitch: 0,
  rollDeg: 0,
  eyesClosed: 0,
  eyeAspect: 0,
  mouthOpen: 0,
  sharpness: 0,
  exposure,
  continuous,
  eyesChanged: 0,
  mouthChanged: 0,
  turnedChanged: 0,
  breadth: 0,
  eachClosed: [0, 0],
  eyesContrast: 1,
  mouthContrast: 1,
  finding: null,
  uprightTurns,
});

/** Distance between the eyes' centres in pixels. */
export const interOcularPx = ({ five }: SeenFace): number =>
  Math.hypot(five[2]! - five[0]!, five[3]! - five[1]!);

type Place = readonly [number, number];
export type Landmarks = ArrayLike<number>;

const at = (points: Landmarks, index: number): Place => [points[2 * index]!, points[2 * index + 1]!];

function distance(points: Landmarks, one: number, other: number): number {
  const [ax, ay] = at(points, one);
  const [bx, by] = at(points, other);
  return Math.hypot(ax - bx, ay - by);
}

function centre(points: Landmarks, from: number, to: number): Place {
  let [x, y] = [0, 0];
  for (let i = from; i < to; i += 1) {
    x += points[2 * i]!;
    y += points[2 * i + 1]!;
  }
  return [x / (to - from), y / (to - from)];
}

/** Centres of the eyes, the picture's left one first. */
export const eyeCentres = (points: Landmarks): readonly [Place, Place] => [
  centre(points, shape.leftEye[0]!, shape.leftEye[1]!),
  centre(points, shape.rightEye[0]!, shape.rightEye[1]!),
];

/** One point along and across the eyes' axis, from the point between them, in eye distances. */
function upright(points: Landmarks, index: number): Place {
  const [left, right] = eyeCentres(points);
  const axis = [right[0] - left[0], right[1] - left[1]] as const;
  const square = axis[0] * axis[0] + axis[1] * axis[1];
  if (square <= 0) return [0, 0];
  const [x, y] = at(points, index);
  const offset = [x - (left[0] + right[0]) / 2, y - (left[1] + right[1]) / 2] as const;
  const along = axis[0] * offset[0] + axis[1] * offset[1];
  const across = axis[0] * offset[1] - axis[1] * offset[0];
  return [along / square, across / square];
}

export const turnOf = (points: Landmarks): number => upright(points, shape.noseTip)[0];

export function pitchOf(points: Landmarks): number {
  const depth = upright(points, shape.upperLip)[1];
  return depth > 0 ? upright(points, shape.noseTip)[1] / depth : 0;
}

export function rollDegOf(points: Landmarks): number {
  const [left, right] = eyeCentres(points);
  return (Math.atan2(right[1] - left[1], right[0] - left[0]) * 180) / Math.PI;
}

function oneEyeAspect(points: Landmarks, from: number): number {
  const width = distance(points, from, from + 3);
  const lids = distance(points, from + 1, from + 5) + distance(points, from + 2, from + 4);
  return width > 0 ? lids / (2 * width) : 0;
}

/** Distance of the lids over the eye's width, mean of both eyes. */
export const eyeAspectOf = (points: Landmarks): number =>
  (oneEyeAspect(points, shape.leftEye[0]!) + oneEyeAspect(points, shape.rightEye[0]!)) / 2;

/** Mean distance of three pairs of inner lip points, over the distance of the lip's corners. */
export function mouthOpenOf(points: Landmarks): number {
  const opening =
    shape.lipPairs.reduce((sum, [a, b]) => sum + distance(points, a!, b!), 0) /
    shape.lipPairs.length;
  const width = distance(points, shape.lipCorners[0]!, shape.lipCorners[1]!);
  return width > 0 ? opening / width : 0;
}

/** Width of the outline at eye level over the height from the nose's base to the brows. */
export function breadthOf(points: Landmarks): number {
  const [first, last] = shape.outline;
  const width = upright(points, last!)[0] - upright(points, first!)[0];
  const [from, to] = shape.brows;
  let brows = 0;
  for (let i = from!; i < to!; i += 1) brows += upright(points, i)[1] / (to! - from!);
  const height = upright(points, shape.noseBase)[1] - brows;
  return height > 0 ? width / height : 0;
}
