/**
 * Follows one face from the first view to the last, and says when it is no longer the same: the
 * rules of gateway/vision/liveness/tracking.py, where they are explained.
 */

import { moved, similarity } from "../vision/warp";
import { vision } from "./limits";
import { eyeCentres, type Landmarks } from "./measurement";

const limits = vision.tracking;
const [RIGID_FROM, RIGID_TO] = vision.points.rigid as [number, number];

/** A face as tracking sees it. */
export interface TrackedFace {
  readonly box: { readonly top: number; readonly bottom: number };
  readonly five: ArrayLike<number>;
}

/** Feed every view: `pick` a face, `follow` or `lose` it, `identify` it when asked. */
export class FaceTrack {
  private points: Float64Array | null = null;
  private seenMs = 0;
  private sampledMs = 0;
  private sum: Float64Array | null = null;
  private owed = false;

  /** The face nearest to where the tracked one was, or the tallest if none is tracked. */
  pick<F extends TrackedFace>(faces: readonly F[]): F | null {
    const last = this.points;
    const measure = last === null ? height : nearness(middleOf(last));
    return faces.reduce<F | null>(
      (best, face) => (best === null || measure(face) > measure(best) ? face : best),
      null,
    );
  }

  /** A view has no face. Returns whether the track may still go on. */
  lose(atMs: number): boolean {
    if (this.points !== null && atMs - this.seenMs <= limits.maxGapMs) return true;
    this.clear();
    return false;
  }

  /**
   * Take the picked face's 68 points into the track, or start a new track. Returns whether the
   * motion fits the track, and whether `identify` must be called now.
   */
  follow(atMs: number, landmarks: Landmarks): readonly [fits: boolean, look: boolean] {
    const [last, passed] = [this.points, atMs - this.seenMs];
    const points = Float64Array.from(landmarks);
    this.points = points;
    this.seenMs = atMs;
    const soon = passed >= 0 && passed <= limits.maxGapMs;
    const near = last !== null && soon && !outOfReach(last, points, passed);
    const due = this.owed || atMs - this.sampledMs >= limits.sampleEveryMs;
    const look = !near || due || passed > limits.longStepMs || jumped(last, points);
    last?.fill(0);
    if (!near) this.dropPerson();
    return [near, look];
  }

  /** Whether this unit vector is the track's person; if not, a new track starts with this face. */
  identify(atMs: number, vector: Float32Array): boolean {
    const known = this.sum;
    this.sampledMs = atMs;
    this.owed = false;
    const own = Float64Array.from(vector);
    this.sum = own;
    if (known === null) return true;
    let [product, square] = [0, 0];
    for (let i = 0; i < known.length; i += 1) {
      product += known[i]! * own[i]!;
      square += known[i]! * known[i]!;
    }
    const same = product >= limits.samePersonCosine * Math.sqrt(square);
    if (same) for (let i = 0; i < own.length; i += 1) own[i]! += known[i]!;
    known.fill(0);
    return same;
  }

  /** The face should be identified, but this view is too poor to embed. */
  unsure(atMs: number): boolean {
    this.owed = true;
    if (this.sum === null || atMs - this.sampledMs <= limits.maxUnsureMs) return true;
    this.dropPerson();
    return false;
  }

  /** Forget the person. */
  clear(): void {
    this.dropPerson();
    this.points?.fill(0);
    this.points = null;
  }

  private dropPerson(): void {
    this.sum?.fill(0);
    this.sum = null;
  }
}

const height = ({ box }: TrackedFace): number => box.bottom - box.top;

const nearness =
  ([x, y]: readonly [number, number]) =>
  ({ five }: TrackedFace): number =>
    -Math.hypot((five[0]! + five[2]!) / 2 - x, (five[1]! + five[3]!) / 2 - y);

function middleOf(points: Landmarks): readonly [number, number] {
  const [left, right] = eyeCentres(points);
  return [(left[0] + right[0]) / 2, (left[1] + right[1]) / 2];
}

function eyeDistance(points: Landmarks): number {
  const [left, right] = eyeCentres(points);
  return Math.max(Math.hypot(right[0] - left[0], right[1] - left[1]), 1);
}

/** Motion of the point between the eyes, in eye distances, and growth (natural logarithm). */
function motion(last: Landmarks, points: Landmarks): readonly [number, number] {
  const [x, y] = middleOf(points);
  const [ox, oy] = middleOf(last);
  const way = Math.hypot(x - ox, y - oy) / eyeDistance(last);
  return [way, Math.abs(Math.log(eyeDistance(points) / eyeDistance(last)))];
}

function outOfReach(last: Landmarks, points: Landmarks, passedMs: number): boolean {
  const [way, zoom] = motion(last, points);
  const reach = Math.min(limits.reach + limits.reachPerMs * passedMs, limits.reachAtMost);
  return way > reach || zoom > limits.maxZoom;
}

function jumped(last: Float64Array, points: Float64Array): boolean {
  const [way, zoom] = motion(last, points);
  return way > limits.jump || zoom > limits.zoomJump || shapeChange(last, points) > limits.shapeJump;
}

/** How far two views' rigid points differ after the best similarity, in eye distances (RMS). */
export function shapeChange(last: Float64Array, points: Float64Array): number {
  const before = last.subarray(2 * RIGID_FROM, 2 * RIGID_TO);
  const now = points.subarray(2 * RIGID_FROM, 2 * RIGID_TO);
  const fitted = moved(before, similarity(before, now));
  const rest = now.reduce((sum, value, i) => sum + (fitted[i]! - value) ** 2, 0);
  return Math.sqrt(rest / (now.length / 2)) / eyeDistance(points);
}
