/**
 * Whether a face may be embedded: its measures against the pack's profile, as
 * gateway/vision/quality/gate.py judges. No value leaves this module but the finding.
 */

import { ALIGNED } from "../embedder";
import type { LandmarkFinder } from "../landmarks";
import type { Points, Rgb } from "../picture";
import RECIPE from "../recipe";
import {
  alignedLandmarks,
  derived,
  geometryMeasures,
  pictureMeasures,
  unrest,
  type Measures,
} from "./measures";
import { unpacked, type QualityProfile } from "./profile";

/** What the gate says of a face: `good`, or the finding as one word. */
export type Finding = string;
export const GOOD: Finding = "good";

/** The profile does not fit the pack's models. */
export class ProfileRefused extends Error {
  override readonly name = "ProfileRefused";
}

interface Weighed {
  readonly finding: Finding;
  readonly weights: Float32Array;
  readonly most: number;
}

interface Named {
  readonly name: string;
  readonly vector: Float32Array;
}

export class QualityGate {
  private readonly detectors: readonly Weighed[];
  private readonly clouds: readonly Named[];
  private readonly shape: { centre: Float32Array; directions: readonly Named[] } | null;

  /** @throws ProfileRefused for a profile of another kind, or with measures unknown here. */
  constructor(
    private readonly profile: QualityProfile,
    private readonly finder: LandmarkFinder,
  ) {
    const known = new Set([...RECIPE.gate.plain, ...RECIPE.gate.last].map(([name]) => name!));
    if (
      profile.format !== "sealmatch-face-quality/1" ||
      profile.measures !== "face-quality/1" ||
      !Object.keys(profile.limits).every((name) => known.has(name))
    ) {
      throw new ProfileRefused("the quality profile speaks of unknown measures");
    }
    const given = profile.discriminants ?? null;
    this.detectors = (given?.detectors ?? []).map(({ finding, weights, most }) => ({
      finding,
      weights: unpacked(weights),
      most,
    }));
    this.clouds = (given?.clouds ?? []).map(named);
    this.shape = given?.shape
      ? { centre: unpacked(given.shape.mean), directions: given.shape.directions.map(named) }
      : null;
    if (this.detectors.some(({ weights }) => weights.length !== given!.features.length)) {
      throw new ProfileRefused("a detector has not one weight for each feature");
    }
  }

  /** Everything that the gate judges. `raw`: the vector before normalising. */
  async measure(
    face: { readonly five: Points; readonly landmarks: Points },
    aligned: Rgb,
    raw: Float32Array,
  ): Promise<Measures> {
    if (aligned.width !== ALIGNED) throw new RangeError("not an aligned face");
    const points = alignedLandmarks(face.five, face.landmarks);
    const measured: Measures = {
      ...pictureMeasures(aligned),
      ...geometryMeasures(face.five),
      "embedding-norm": Math.sqrt(dot(raw, raw)),
      unrest: await unrest(this.finder, aligned, points),
    };
    if (!this.profile.discriminants) return measured;
    return { ...measured, ...derived(measured), ...this.positions(raw, points) };
  }

  /** @throws ProfileRefused for a profile that needs a measure which no model gives. */
  judge(measured: Measures): Finding {
    return (
      this.beyond(RECIPE.gate.plain, measured) ??
      this.suspected(measured) ??
      this.beyond(RECIPE.gate.last, measured) ??
      GOOD
    );
  }

  private beyond(reasons: readonly string[][], measured: Measures): Finding | null {
    for (const [measure, below, above] of reasons) {
      const [limit, value] = [this.profile.limits[measure!], measured[measure!]];
      if (limit === undefined || value === undefined) continue;
      if (limit.least != null && !(value >= limit.least)) return below!;
      if (limit.most != null && !(value <= limit.most)) return above!;
    }
    return null;
  }

  /** The finding of the discriminant that is most exceeded, if one is. */
  private suspected(measured: Measures): Finding | null {
    const given = this.profile.discriminants;
    if (!given) return null;
    const scaled = given.features.map(({ name, mean, deviation }) => {
      const value = measured[name];
      if (value === undefined) throw new ProfileRefused(`no model gives the measure ${name}`);
      const far = Math.min(Math.max((value - mean) / deviation, -given.clip), given.clip);
      return Number.isNaN(far) ? given.clip : far;
    });
    let [worst, finding] = [-Infinity, null as Finding | null];
    for (const detector of this.detectors) {
      const excess = dot(detector.weights, scaled) - detector.most;
      if (excess > worst) [worst, finding] = [excess, detector.finding];
    }
    return worst <= 0 ? null : finding;
  }

  /** Cosines to the clouds of poor faces, and the shape of the landmarks. */
  private positions(raw: Float32Array, points: Points): Measures {
    const length = Math.max(Math.sqrt(dot(raw, raw)), 1e-9);
    const found: Measures = {};
    for (const { name, vector } of this.clouds) {
      if (vector.length !== raw.length) {
        throw new ProfileRefused("the quality profile is for vectors of another dimension");
      }
      found[`near-${name}`] = dot(vector, raw) / length;
    }
    if (this.shape) {
      const offset = points.map((value, i) => value - this.shape!.centre[i]!);
      for (const { name, vector } of this.shape.directions) {
        found[`shape-${name}`] = dot(vector, offset);
      }
    }
    return found;
  }
}

const named = (one: { name: string; values: string }): Named => ({
  name: one.name,
  vector: unpacked(one.values),
});

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i += 1) sum += a[i]! * b[i]!;
  return sum;
}
