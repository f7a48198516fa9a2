/**
 * Parts of a picture in which the detector finds smaller faces (gateway/vision/tiles.py says why).
 */

import { rounded, type Box } from "./picture";
import RECIPE from "./recipe";

const { looks: LOOKS, smallest, most, aspect, edge } = RECIPE.tiles;

/** A part of a picture, in its pixels. */
export type Tile = Box;

/** Lists of tiles, finer from one to the next; each covers a picture of this size. */
export function looks(width: number, height: number): Tile[][] {
  const found: Tile[][] = [];
  for (const parts of LOOKS) {
    const tall = Math.sqrt((width * height) / aspect) / parts;
    if (tall < smallest) break;
    const tiles = cover(width, height, rounded(tall * aspect), rounded(tall));
    if (tiles.length <= most) found.push(tiles);
  }
  return found;
}

/** Whether a box touches no side where its tile was cut out of a picture of this size. */
export function isWhole(tile: Tile, width: number, height: number, box: Box): boolean {
  return (
    (tile.left === 0 || box.left > tile.left + edge) &&
    (tile.top === 0 || box.top > tile.top + edge) &&
    (tile.right === width || box.right < tile.right - edge) &&
    (tile.bottom === height || box.bottom < tile.bottom - edge)
  );
}

function cover(width: number, height: number, wide: number, tall: number): Tile[] {
  return starts(height, tall).flatMap((top) =>
    starts(width, wide).map((left) => ({
      left,
      top,
      right: Math.min(left + wide, width),
      bottom: Math.min(top + tall, height),
    })),
  );
}

/** Where tiles begin along one side: evenly spread, half a tile apart at most. */
function starts(length: number, side: number): number[] {
  if (length <= side) return [0];
  const steps = Math.ceil((length - side) / (side / 2));
  return Array.from({ length: steps + 1 }, (_, n) => rounded((n * (length - side)) / steps));
}
