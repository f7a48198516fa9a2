/**
 * Where the faces are: `fr_detect` over a 320x240 view of the picture (gateway/vision/detector.py).
 */

import type { Box, Picture } from "./picture";
import RECIPE from "./recipe";
import { resized } from "./resize";
import { Model } from "./runtime";
import { isWhole, looks, type Tile } from "./tiles";

const { width: WIDE, height: TALL, mean, divisor, minScore, nmsOverlap } = RECIPE.detector;

export interface Detection {
  readonly box: Box;
  readonly score: number;
}

export class FaceDetector {
  private readonly input = new Float32Array(3 * WIDE * TALL);

  constructor(private readonly model: Model) {}

  /** Every face whose score suffices, tallest first; possibly none. */
  async detect(picture: Picture): Promise<Detection[]> {
    return suppressed(await this.look(picture, wholeOf(picture)));
  }

  /** The same in parts of the picture as well, which show smaller faces. Some 60 times as slow. */
  async detectClosely(picture: Picture): Promise<Detection[]> {
    const { width, height } = picture;
    const found = await this.look(picture, wholeOf(picture));
    for (const tile of looks(width, height).flat()) {
      const seen = await this.look(picture, tile);
      found.push(...seen.filter(({ box }) => isWhole(tile, width, height, box)));
    }
    return suppressed(found);
  }

  /** Boxes in pixels of the picture; they may overlap. */
  private async look(picture: Picture, tile: Tile): Promise<Detection[]> {
    const [width, height] = [tile.right - tile.left, tile.bottom - tile.top];
    const area = { left: tile.left, top: tile.top, width, height };
    const { data } = resized(picture, area, WIDE, TALL);
    const plane = WIDE * TALL;
    for (let i = 0, at = 0; i < plane; i += 1, at += 3) {
      this.input[i] = (data[at]! - mean) / divisor;
      this.input[plane + i] = (data[at + 1]! - mean) / divisor;
      this.input[2 * plane + i] = (data[at + 2]! - mean) / divisor;
    }
    const { scores, boxes } = await this.model.run(this.input, [1, 3, TALL, WIDE]);
    const found: Detection[] = [];
    for (let i = 0; 2 * i < scores!.length; i += 1) {
      const score = scores![2 * i + 1]!;
      if (score < Math.fround(minScore)) continue;
      const [left, top, right, bottom] = boxes!.subarray(4 * i, 4 * i + 4);
      found.push({ box: placed(tile, width, height, [left!, top!, right!, bottom!]), score });
    }
    return found;
  }
}

const wholeOf = ({ width, height }: Picture): Tile => ({
  left: 0,
  top: 0,
  right: width,
  bottom: height,
});

function placed(tile: Tile, width: number, height: number, box: readonly number[]): Box {
  return {
    left: Math.fround(box[0]! * width) + tile.left,
    top: Math.fround(box[1]! * height) + tile.top,
    right: Math.fround(box[2]! * width) + tile.left,
    bottom: Math.fround(box[3]! * height) + tile.top,
  };
}

/** Non-maximum suppression as OpenCV's, tallest first. */
function suppressed(found: readonly Detection[]): Detection[] {
  const kept: Detection[] = [];
  for (const one of found.toSorted((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(one.box, other.box) <= nmsOverlap)) kept.push(one);
  }
  const height = ({ box }: Detection): number => box.bottom - box.top;
  return kept.sort((a, b) => height(b) - height(a));
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const [areaA, areaB] = [a, b].map((box) => (box.right - box.left) * (box.bottom - box.top));
  const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  const common = wide > 0 && tall > 0 ? wide * tall : 0;
  return common / (areaA! + areaB! - common);
}
