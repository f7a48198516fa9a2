/**
 * Blinks, mouth openings and turns of the head, found in measurements as they come: the rules of
 * gateway/vision/liveness/detectors.py, where they are explained. Pure and causal.
 */

import type { ActionKind } from "../wire/liveness";
import { vision } from "./limits";
import type { FrameMeasurement } from "./measurement";
import { firstBest, median, middle } from "./numbers";
import { MouthOpenings } from "./openings";

const limits = vision.detectors;

/** One action; of a count, one small opening of the mouth. Times: `FrameMeasurement.atMs`. */
export interface Action {
  readonly kind: ActionKind;
  readonly startMs: number;
  readonly peakMs: number;
  readonly endMs: number;
  readonly strength: number;
}

interface Detector {
  feed(now: FrameMeasurement): Action | null;
}

/** Feed every view in order of time. */
export class ActionDetectors {
  private sinceMs = 0;
  private detectors: readonly Detector[] = [];

  /** `openings`: also find the small ones of a count. */
  constructor(private readonly openings = false) {
    this.begin(0);
  }

  /** The actions that this view ended or confirmed; mostly none. */
  feed(measured: FrameMeasurement): Action[] {
    if (measured.face === null || !measured.continuous) {
      this.begin(measured.atMs);
      return [];
    }
    if (measured.faces !== 1 || measured.atMs - this.sinceMs < limits.settledMs) return [];
    return this.detectors
      .map((detector) => detector.feed(measured))
      .filter((action) => action !== null);
  }

  private begin(atMs: number): void {
    this.sinceMs = atMs;
    const small = this.openings ? [new MouthOpenings()] : [];
    this.detectors = [new Blink(), new Mouth(), new Turn(), ...small];
  }
}

/** Both eyes close within a moment, look different, and open again. */
class Blink implements Detector {
  private readonly open: FrameMeasurement[] = [];
  private closed: FrameMeasurement[] = [];

  feed(now: FrameMeasurement): Action | null {
    if (now.eyesClosed >= limits.closed) {
      const last = this.open.at(-1);
      const fell = last !== undefined && now.atMs - last.atMs <= limits.fallMs;
      if (this.closed.length > 0 || fell) this.closed.push(now);
      return null;
    }
    if (now.eyesClosed >= limits.open) return null;
    const event = this.event(now.atMs);
    this.closed = [];
    this.open.push(now);
    while (now.atMs - this.open[0]!.atMs > limits.beforeMs) this.open.shift();
    return event;
  }

  private event(nowMs: number): Action | null {
    const { closed } = this;
    const [first, last] = [closed[0], closed.at(-1)];
    if (!first || !last || nowMs - first.atMs > limits.longestBlinkMs) return null;
    const peak = firstBest(closed, (frame) => frame.eyesChanged);
    const before = middle(this.open.map((frame) => frame.eyeAspect));
    const fallen = before > 0 ? Math.min(...closed.map((frame) => frame.eyeAspect)) / before : 1;
    if (peak.eyesChanged < limits.eyesChanged || fallen > limits.lidsFall) return null;
    return {
      kind: "blink",
      startMs: first.atMs,
      peakMs: peak.atMs,
      endMs: last.atMs,
      strength: 1 - fallen,
    };
  }
}

/** The lips part, stay apart for a moment, and the mouth looks different. */
class Mouth implements Detector {
  private gape: FrameMeasurement[] = [];
  private told = false;

  feed(now: FrameMeasurement): Action | null {
    const widest = Math.max(0, ...this.gape.map((frame) => frame.mouthOpen));
    if (now.mouthOpen < Math.max(limits.gape * limits.gapeBegins, limits.gapeEnd * widest)) {
      this.gape = [];
      this.told = false;
      return null;
    }
    if (now.mouthOpen >= limits.gape || this.gape.length > 0) this.gape.push(now);
    const [first] = this.gape;
    if (this.told || !first || now.atMs - first.atMs < limits.gapeMs) return null;
    if (Math.max(...this.gape.map((frame) => frame.mouthChanged)) < limits.mouthChanged) return null;
    this.told = true;
    const peak = firstBest(this.gape, (frame) => frame.mouthOpen);
    return {
      kind: "open-mouth",
      startMs: first.atMs,
      peakMs: peak.atMs,
      endMs: now.atMs,
      strength: peak.mouthOpen,
    };
  }
}

/** The nose leaves its usual place for a while, the eyes look different, the face stays broad. */
class Turn implements Detector {
  private readonly usual: FrameMeasurement[] = [];
  private away: FrameMeasurement[] = [];
  private baseline = 0;
  private told = false;

  feed(now: FrameMeasurement): Action | null {
    const way = now.turn - this.baseline;
    const [before] = this.away;
    if (before && (Math.abs(way) < limits.turnEnd || way * before.turn < 0)) {
      this.away = [];
      this.told = false;
    }
    const far = Math.abs(way) >= limits.turn && Math.abs(now.turn) >= limits.turnSeen;
    if (this.usual.length > 0 && far && way * now.turn > 0) this.away.push(now);
    const [first, last] = [this.away[0], this.away.at(-1)];
    if (!first || !last) {
      this.learn(now);
      return null;
    }
    if (this.told || last.atMs - first.atMs < limits.turnMs) return null;
    if (middle(this.away.map((frame) => frame.turnedChanged)) < limits.turnChanged) return null;
    if (!this.broad()) return null;
    this.told = true;
    return this.event(first, now);
  }

  private broad(): boolean {
    const usual = median(this.usual.map((frame) => frame.breadth));
    return median(this.away.map((frame) => this.breadth(frame))) >= limits.broad * usual;
  }

  /** The breadth, plus what a head loses in a far turn. */
  private breadth(frame: FrameMeasurement): number {
    const far = Math.max(0, Math.abs(frame.turn - this.baseline) - limits.far);
    return frame.breadth / (1 - Math.min(limits.broadLoss * far, limits.mostLoss) / limits.broad);
  }

  /** Take a frontal view into the baseline: the median over the last seconds. */
  private learn(now: FrameMeasurement): void {
    if (Math.abs(now.turn) > limits.frontal) return;
    this.usual.push(now);
    while (now.atMs - this.usual[0]!.atMs > limits.baselineMs) this.usual.shift();
    this.baseline = middle(this.usual.map((frame) => frame.turn));
  }

  private event(first: FrameMeasurement, now: FrameMeasurement): Action {
    const peak = firstBest(this.away, (frame) => Math.abs(frame.turn - this.baseline));
    return {
      kind: peak.turn > this.baseline ? "turn-left" : "turn-right",
      startMs: first.atMs,
      peakMs: peak.atMs,
      endMs: now.atMs,
      strength: Math.abs(peak.turn - this.baseline),
    };
  }
}
