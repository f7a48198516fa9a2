/**
 * What a photograph cannot do: show eyes or a mouth that look different from before
 * (gateway/vision/liveness/appearance.py explains it). Views stay in memory, for 2.5 seconds.
 */

import { greyRegion, type Grey, type Picture, type Points } from "./picture";
import { FACE, fittedPlane } from "./plane";
import { deviationOf } from "./quality/measures";
import { APPEARANCE } from "./recipe";
import { shrunk } from "./resize";
import { bounds, warpedGrey, warpedPlane, type Affine } from "./warp";

const { width: WIDE, height: TALL } = APPEARANCE;
const FARTHEST_SHRINK = 32;

type Patch = readonly number[]; // left, top, width, height in the view

/** Where each of `APPEARANCE.points` lies in a face from the front, in eye distances. */
const FRONT = APPEARANCE.points.map((point) => {
  const half: Readonly<Record<string, number[]>> = APPEARANCE.half;
  const twins: Readonly<Record<string, number>> = APPEARANCE.twin;
  const own = half[point];
  if (own) return [own[0]!, own[1]!] as const;
  const twin = half[twins[point]!]!;
  return [-twin[0]!, twin[1]!] as const;
});

/**
 * How far the face looks different from before: 1 - correlation, 0 to 2; 0 where there is nothing
 * to compare.
 */
export interface Changes {
  readonly eyes: number;
  readonly mouth: number;
  readonly turned: number;
}

interface Look {
  readonly atMs: number;
  readonly view: Grey;
  readonly eyesClosed: number;
  readonly mouthOpen: number;
  readonly turn: number;
}

/** The earlier views of one track. Feed every frame of it, in order. */
export class Appearance {
  private looks: Look[] = [];

  /** Another track begins: it is not compared with the last one. */
  reset(): void {
    for (const { view } of this.looks) view.data.fill(0);
    this.looks = [];
  }

  /** Compare one frame's view with the track's earlier ones, then remember it. */
  observe(
    atMs: number,
    view: Grey,
    eyesClosed: number,
    mouthOpen: number,
    turn: number,
  ): Changes {
    while (this.looks[0] && atMs - this.looks[0].atMs > APPEARANCE.keepMs) {
      this.looks.shift()?.view.data.fill(0);
    }
    const now = { atMs, view, eyesClosed, mouthOpen, turn };
    const changes = { eyes: this.eyes(now), mouth: this.mouth(now), turned: this.turned(now) };
    this.looks.push(now);
    return changes;
  }

  private eyes(now: Look): number {
    if (now.eyesClosed < APPEARANCE.openEyes) return 0;
    const open = this.looks.findLast(
      ({ eyesClosed, atMs }) =>
        eyesClosed < APPEARANCE.openEyes && now.atMs - atMs >= APPEARANCE.beforeMs,
    );
    return open ? differ(open.view, now.view, APPEARANCE.eyes) : 0;
  }

  private mouth(now: Look): number {
    const recent = this.looks.filter((past) => now.atMs - past.atMs <= APPEARANCE.mouthMs);
    const closed = least(recent, (past) => past.mouthOpen) ?? now;
    if (now.mouthOpen - closed.mouthOpen < APPEARANCE.leastGape) return 0;
    return differ(closed.view, now.view, APPEARANCE.mouth);
  }

  private turned(now: Look): number {
    const front = least(this.looks, (past) => Math.abs(past.turn)) ?? now;
    if (Math.abs(now.turn - front.turn) < APPEARANCE.leastTurn) return 0;
    return differ(front.view, now.view, APPEARANCE.eyes);
  }
}

/** The face in the pose of `FRONT`: 96x112, grey. */
export function alignedView(picture: Picture, points: Points): Grey {
  const { region, matrix } = around(picture, points);
  let factor = 1;
  const scale = Math.sqrt(Math.abs(matrix[0] * matrix[4] - matrix[1] * matrix[3]));
  while (scale * factor < APPEARANCE.shrinkBelow && factor < FARTHEST_SHRINK) factor *= 2;
  if (factor === 1) return warpedGrey(region, matrix, WIDE, TALL, "repeat");
  const small = shrunk(
    region,
    Math.max(1, Math.floor(region.width / factor)),
    Math.max(1, Math.floor(region.height / factor)),
  );
  const offset = factor / 2 - 0.5;
  return warpedGrey(small, shiftedBy(matrix, offset, offset, factor), WIDE, TALL, "repeat");
}

/** Contrast of the eyes and of the lips: deviation of their grey levels over the whole face's. */
export function contrasts(view: Grey): readonly [eyes: number, mouth: number] {
  const inside = view.data.filter((_, i) => FACE[i] === 1);
  const whole = deviationOf(inside) + 1;
  const of = (patches: readonly Patch[]): number =>
    patches.reduce((sum, patch) => sum + deviationOf(cutOut(view, patch)), 0) /
    patches.length /
    whole;
  return [of(APPEARANCE.eyes), of(APPEARANCE.lips)];
}

/** The picture around the face in grey, and the affine map from it to the view. */
function around(picture: Picture, points: Points): { region: Grey; matrix: Affine } {
  const matrix = affine(points);
  const [left, top, right, bottom] = bounds(points);
  const [wide, tall] = [APPEARANCE.margin * (right - left), APPEARANCE.margin * (bottom - top)];
  const within = (value: number, low: number, high: number): number =>
    Math.min(Math.max(Math.trunc(value), low), high);
  const x0 = within(left - wide, 0, picture.width - 1);
  const y0 = within(top - tall, 0, picture.height - 1);
  const x1 = within(Math.trunc(right + wide) + 1, x0 + 1, picture.width);
  const y1 = within(Math.trunc(bottom + tall) + 1, y0 + 1, picture.height);
  return {
    region: greyRegion(picture, x0, y0, x1 - x0, y1 - y0),
    matrix: shiftedBy(matrix, x0, y0, 1),
  };
}

/** The map for pixels that were first moved by (x, y) and grew by `factor`. */
const shiftedBy = (m: Affine, x: number, y: number, factor: number): Affine => [
  m[0] * factor,
  m[1] * factor,
  m[2] + m[0] * x + m[1] * y,
  m[3] * factor,
  m[4] * factor,
  m[5] + m[3] * x + m[4] * y,
];

/** Least squares from the face's points to where they lie in a face from the front. */
function affine(points: Points): Affine {
  const count = APPEARANCE.points.length;
  const source = APPEARANCE.points.map((i) => [points[2 * i]!, points[2 * i + 1]!] as const);
  const { eyeDistance, middle } = APPEARANCE;
  const target = FRONT.map(
    ([x, y]) => [x * eyeDistance + middle[0]!, y * eyeDistance + middle[1]!] as const,
  );
  const mean = (places: readonly (readonly [number, number])[]): readonly [number, number] => [
    places.reduce((sum, [x]) => sum + x, 0) / count,
    places.reduce((sum, [, y]) => sum + y, 0) / count,
  ];
  const [[mx, my], [nx, ny]] = [mean(source), mean(target)];
  let [xx, xy, yy, xu, yu, xv, yv] = [0, 0, 0, 0, 0, 0, 0];
  source.forEach(([sx, sy], i) => {
    const [x, y] = [sx - mx, sy - my];
    const [u, v] = [target[i]![0] - nx, target[i]![1] - ny];
    [xx, xy, yy] = [xx + x * x, xy + x * y, yy + y * y];
    [xu, yu, xv, yv] = [xu + x * u, yu + y * u, xv + x * v, yv + y * v];
  });
  const d = xx * yy - xy * xy;
  const row = (p: number, q: number): readonly [number, number] =>
    d === 0 ? [0, 0] : [(p * yy - q * xy) / d, (q * xx - p * xy) / d];
  const [[a, b], [c, e]] = [row(xu, yu), row(xv, yv)];
  return [a, b, nx - a * mx - b * my, c, e, ny - c * mx - e * my];
}

/** 1 - correlation, mean over the patches: the lower value of two, as aligned and as a plane. */
function differ(past: Grey, now: Grey, patches: readonly Patch[]): number {
  const map = fittedPlane(past, now);
  const views = map === null ? [now] : [now, warpedPlane(now, map)];
  return Math.min(
    ...views.map(
      (view) =>
        1 - patches.reduce((sum, patch) => sum + bestMatch(past, view, patch), 0) / patches.length,
    ),
  );
}

/** The best correlation of a patch of `past` with `now`, within some pixels. */
function bestMatch(past: Grey, now: Grey, [left, top, width, height]: Patch): number {
  const model = centred(cutOut(past, [left!, top!, width!, height!]));
  const norm = Math.sqrt(model.reduce((sum, value) => sum + value * value, 0));
  if (norm < 1e-9) return 1; // as OpenCV has it for a flat patch
  const [x0, y0] = [Math.max(0, left! - APPEARANCE.search), Math.max(0, top! - APPEARANCE.search)];
  const x1 = Math.min(now.width, left! + width! + APPEARANCE.search) - width!;
  const y1 = Math.min(now.height, top! + height! + APPEARANCE.search) - height!;
  let best = -Infinity;
  for (let y = y0; y <= y1; y += 1) {
    for (let x = x0; x <= x1; x += 1) {
      best = Math.max(best, correlation(model, norm, now, x, y, width!, height!));
    }
  }
  return best;
}

function correlation(
  model: Float64Array,
  norm: number,
  now: Grey,
  left: number,
  top: number,
  width: number,
  height: number,
): number {
  let [sum, square, product] = [0, 0, 0];
  for (let y = 0, i = 0; y < height; y += 1) {
    const from = (top + y) * now.width + left;
    for (let x = 0; x < width; x += 1, i += 1) {
      const value = now.data[from + x]!;
      sum += value;
      square += value * value;
      product += value * model[i]!;
    }
  }
  const spread = square - (sum * sum) / (width * height);
  if (spread <= Math.min(0.5, 1.2e-6 * square)) return 0;
  return Math.min(Math.max(product / (Math.sqrt(spread) * norm), -1), 1);
}

function centred(values: Uint8Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Float64Array.from(values, (value) => value - mean);
}

function cutOut(view: Grey, [left, top, width, height]: Patch): Uint8Array {
  const part = new Uint8Array(width! * height!);
  for (let y = 0; y < height!; y += 1) {
    const from = (top! + y) * view.width + left!;
    part.set(view.data.subarray(from, from + width!), y * width!);
  }
  return part;
}

/** The first of those with the least value. */
function least<T>(items: readonly T[], value: (item: T) => number): T | undefined {
  return items.reduce<T | undefined>(
    (best, item) => (best === undefined || value(item) < value(best) ? item : best),
    undefined,
  );
}
