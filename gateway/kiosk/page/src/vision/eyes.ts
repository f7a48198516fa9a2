/** Whether an eye is closed (`fr_eye`), and an advisory guess whether a face is alive
 * (`fr_liveness`): gateway/vision/liveness/eyes.py and passive.py. */

import { LEFT_EYE, RIGHT_EYE, middle } from "./landmarks";
import { greyOf, heightOf, squareOf, type Box, type Picture, type Points } from "./picture";
import RECIPE from "./recipe";
import { cut } from "./resize";
import { Model, softmax } from "./runtime";

const EYE = RECIPE.eyes;
const LIVE = RECIPE.passive;
const [CLOSED, ALIVE] = [0, 0]; // the models' first classes

export class EyeStates {
  private readonly input = new Float32Array(EYE.side * EYE.side);

  constructor(private readonly model: Model) {}

  /** Probability that each eye is closed, the picture's left one first. */
  async closed(picture: Picture, points: Points): Promise<readonly [number, number]> {
    return [await this.one(picture, points, LEFT_EYE), await this.one(picture, points, RIGHT_EYE)];
  }

  private async one(
    picture: Picture,
    points: Points,
    eye: readonly [number, number],
  ): Promise<number> {
    const [inner, outer] = [2 * (eye[0] + 3), 2 * eye[0]];
    const across = Math.fround(points[inner]! - points[outer]!);
    const down = Math.fround(points[inner + 1]! - points[outer + 1]!);
    const width = Math.max(Math.fround(Math.hypot(across, down)), 1);
    const [x, y] = middle(points, eye);
    const square = squareOf({ left: x, top: y, right: x, bottom: y }, EYE.widths * width);
    const { data } = greyOf(cut(picture, square, EYE.side));
    for (let i = 0; i < data.length; i += 1) this.input[i] = data[i]! / EYE.divisor;
    return softmax(await this.model.one(this.input, [1, 1, EYE.side, EYE.side]))[CLOSED]!;
  }
}

export class PassiveLiveness {
  private readonly input = new Float32Array(3 * LIVE.side * LIVE.side);

  constructor(private readonly model: Model) {}

  /** The square of the picture that is judged; it may reach beyond the picture. */
  static view(box: Box): Box {
    return squareOf(box, LIVE.heights * heightOf(box));
  }

  /** Probability that the face is alive. Weak: no decision rests on it. */
  async score(picture: Picture, box: Box): Promise<number> {
    const { data } = cut(picture, PassiveLiveness.view(box), LIVE.side);
    const plane = LIVE.side * LIVE.side;
    for (let i = 0; i < plane; i += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        this.input[(2 - channel) * plane + i] = data[3 * i + channel]!;
      }
    }
    return softmax(await this.model.one(this.input, [1, 3, LIVE.side, LIVE.side]))[ALIVE]!;
  }
}
