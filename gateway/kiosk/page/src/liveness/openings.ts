/**
 * Small openings of the mouth, as in quiet speech, relative to this person's own closed mouth: the
 * rules of gateway/vision/liveness/openings.py, where they are explained. Pure and causal.
 */

import type { Action } from "./detectors";
import { vision } from "./limits";
import type { FrameMeasurement } from "./measurement";
import { firstBest } from "./numbers";

const limits = vision.openings;

/** Feed every view of one track that shows one face, in order of time. */
export class MouthOpenings {
  private readonly recent: FrameMeasurement[] = [];
  private open: FrameMeasurement[] = [];
  private told = false;

  /** The opening that this view confirmed; mostly none. */
  feed(now: FrameMeasurement): Action | null {
    this.recent.push(now);
    while (now.atMs - this.recent[0]!.atMs > limits.restMs) this.recent.shift();
    const above = now.mouthOpen - this.rest();
    const isOpen = this.open.length > 0;
    if (above < (isOpen ? limits.closes : limits.opens)) {
      this.open = [];
      this.told = false;
      return null;
    }
    if (!isOpen && now.atMs - this.recent[0]!.atMs < limits.settledMs) return null;
    this.open.push(now);
    return this.told ? null : this.event(now);
  }

  private rest(): number {
    const levels = this.recent.map((frame) => frame.mouthOpen).sort((a, b) => a - b);
    return levels[Math.floor(limits.restShare * levels.length)]!;
  }

  private event(now: FrameMeasurement): Action | null {
    const first = this.open[0]!;
    const peak = firstBest(this.open, (frame) => frame.mouthOpen);
    const changed = Math.max(...this.open.map((frame) => frame.mouthChanged));
    const strength = peak.mouthOpen - this.rest();
    const lasted = now.atMs - first.atMs >= limits.lastsMs;
    if (!lasted || changed < limits.changed || strength < limits.wide) return null;
    this.told = true;
    return { kind: "count", startMs: first.atMs, peakMs: peak.atMs, endMs: now.atMs, strength };
  }
}
