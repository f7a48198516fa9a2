/** What looks at pictures for the counter, in a worker: models, quality gate, measurement. */

import type { Embedded, View } from "../liveness/capture";
import type { FrameMeasurement } from "../liveness/measurement";
import type { Shot } from "./camera";

export interface Sight {
  /** A new person, or a new attempt: what was followed before is forgotten. */
  begin(): Promise<void>;
  /** Takes the picture with it; it is the one that the calls below are about. */
  measure(picture: ImageData, atMs: number): Promise<FrameMeasurement>;
  embed(): Promise<Embedded>;
  passiveScore(): Promise<number | null>;
}

/** Measured views of a camera's pictures, one at a time. */
export async function* views(sight: Sight, shots: AsyncIterable<Shot>): AsyncGenerator<View> {
  await sight.begin();
  for await (const { picture, atMs } of shots) {
    const measured = await sight.measure(picture, atMs);
    yield { measured, embed: () => sight.embed(), passiveScore: () => sight.passiveScore() };
  }
}
