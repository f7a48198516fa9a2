/** Sharpness and exposure of a face on the 112x112 pixels that the embedder sees
 * (gateway/vision/liveness/picture.py). */

import { laplacian } from "./filters";
import { greyOf, type Rgb } from "./picture";
import { deviationOf, meanOf } from "./quality/measures";
import RECIPE from "./recipe";

const [FROM, TO] = RECIPE.picture.inner as [number, number];

/** Laplacian's deviation over that of the grey levels, and mean luma, 0 to 1. */
export function sharpnessAndExposure(aligned: Rgb): readonly [number, number] {
  const grey = greyOf(aligned);
  const side = TO - FROM;
  const data = new Float32Array(side * side);
  for (let y = 0; y < side; y += 1) {
    const from = (FROM + y) * grey.width + FROM;
    data.set(grey.data.subarray(from, from + side), y * side);
  }
  const contrast = deviationOf(data);
  const edges = deviationOf(laplacian({ width: side, height: side, data }).data);
  return [contrast > 0 ? edges / contrast : 0, meanOf(data) / 255];
}
