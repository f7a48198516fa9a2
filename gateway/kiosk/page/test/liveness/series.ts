/** The recorded series (`python -m tests.vectors.liveness_series`), as measurements. */

import type { Action } from "../../src/liveness/detectors";
import { type FrameMeasurement, type SeenFace, withoutFace } from "../../src/liveness/measurement";
import recorded from "./series.json";

type Changed = Readonly<Record<string, unknown>>;

export interface Attempted {
  readonly score: number | null;
  /** When an embedding was asked for that the quality gate does not allow. */
  readonly refused: readonly number[];
  readonly frames: readonly Changed[];
  readonly shown: readonly (readonly unknown[])[];
  readonly reason?: string;
  readonly advice?: string;
  readonly exclude?: unknown;
  readonly transcript?: string;
  /** Whether the command warns of a photograph or a screen. */
  readonly doubted?: boolean;
  readonly probe?: readonly number[];
  readonly action?: readonly number[];
}

export interface Customer {
  readonly challenge: string;
  readonly attempts: readonly Attempted[];
}

interface Series {
  readonly detectors: Record<string, { frames: readonly Changed[]; events: readonly Action[] }>;
  readonly tracking: typeof recorded.tracking;
  readonly attempts: Record<string, Customer>;
}

export const series = recorded as unknown as Series;

/** A face whose eyes are so many pixels apart. */
const face = (eyesPx: number): SeenFace => ({ five: [0, 0, eyesPx, 0, 0, 0, 0, 0, 0, 0] });

/** Each frame holds what changed since the one before. */
export function measurements(frames: readonly Changed[]): FrameMeasurement[] {
  let before: Changed = { ...withoutFace(0, 0, false) };
  return frames.map((changed) => {
    before = { ...before, ...changed };
    const eyesPx = before.face as number | null;
    return { ...before, face: eyesPx === null ? null : face(eyesPx) } as FrameMeasurement;
  });
}
