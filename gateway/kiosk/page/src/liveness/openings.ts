/**
 * Small openings of the mouth, as in quiet speech, relative to this person's own closed mouth: the
 * rules of gateway/vision/liveness/openings.py, where they are explained. Pure and causal.
 */

import type { Action } from "./detectors";
import { vision } from "./limits";
import type { FrameMeasurement } from "./measurement";
import { firstBest, median } from "./numbers";

const limits = vision.openings;

/** Feed every view of one track that shows one face, in order of time. */
export class MouthOpenings {
  private readonly recent: FrameMeasurement[] = [];
  private open: FrameMeasurement[] = [];
  private told = false;

  /** The opening that is over with this view; mostly none. */
  feed(now: FrameMeasurement): Action | null {
    this.recent.push(now);
    while (now.atMs - this.recent[0]!.atMs > limits.restMs) this.recent.shift();
    const above = now.mouthOpen - this.rest();
    const [first] = this.open;
    if (above < (first ? limits.closes : limits.opens)) {
      const event = this.told ? null : this.event(now);
      this.open = [];
      this.told = false;
      return event;
    }
    if (!first && now.atMs - this.recent[0]!.atMs < limits.settledMs) return null;
    this.open.push(now);
    if (this.told || now.atMs - (first ?? now).atMs < limits.longestMs) return null;
    this.told = true;
    return this.event(now);
  }

  private rest(): number {
    const levels = this.recent.map((frame) => frame.mouthOpen).sort((a, b) => a - b);
    return levels[Math.floor(limits.restShare * levels.length)]!;
  }

  private event(now: FrameMeasurement): Action | null {
    const [first] = this.open;
    if (!first) return null;
    const peak = firstBest(this.open, (frame) => frame.mouthOpen);
    const strength = peak.mouthOpen - this.rest();
    if (now.atMs - first.atMs < limits.lastsMs || strength < limits.wide) return null;
    if (!this.looksOpen(strength) || !this.isAsBroad()) return null;
    return { kind: "count", startMs: first.atMs, peakMs: peak.atMs, endMs: now.atMs, strength };
  }

  private looksOpen(strength: number): boolean {
    const changed = Math.max(...this.open.map((frame) => frame.mouthChanged));
    return changed >= Math.max(limits.changed, limits.changedShare * strength);
  }

  private isAsBroad(): boolean {
    const usual = median(this.recent.map((frame) => frame.breadth));
    const now = median(this.open.map((frame) => frame.breadth));
    return Math.abs(now - usual) <= limits.broad * usual;
  }
}
