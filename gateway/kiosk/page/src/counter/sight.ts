/** What looks at pictures for the counter, in a worker: models, quality gate, measurement. */

import type { Embedded, View } from "../liveness/capture";
import type { FrameMeasurement } from "../liveness/measurement";
import type { Shot } from "./camera";

/** One person's pictures. It ends with its worker: a check that was left sees no other customer. */
export interface Looking {
  /** Takes the picture with it; it is the one that the calls below are about. */
  measure(picture: ImageData, atMs: number): Promise<FrameMeasurement>;
  embed(): Promise<Embedded>;
  passiveScore(): Promise<number | null>;
}

export interface Sight {
  /** A new person, or a new attempt: what was followed before is forgotten. */
  begin(): Promise<Looking>;
  /** The customer is gone: nothing of them stays in a model's memory. */
  forget(): void;
}

/** Measured views of a camera's pictures, one at a time. */
export async function* views(sight: Sight, shots: AsyncIterable<Shot>): AsyncGenerator<View> {
  const looking = await sight.begin();
  for await (const { picture, atMs } of shots) {
    const measured = await looking.measure(picture, atMs);
    yield { measured, embed: () => looking.embed(), passiveScore: () => looking.passiveScore() };
  }
}
