/**
 * A live capture: pictures of the camera through the challenge, and what the person is shown
 * meanwhile.
 */

import {
  CaptureRun,
  type Captured,
  Inconclusive,
  PortraitRun,
  type View,
} from "../liveness/capture";
import type { Diagnostician } from "../liveness/diagnosis";
import { isOver, type Progress } from "../liveness/runner";
import type { Bytes } from "../wire/bytes";
import type { AttemptReason, Challenge, Exclusion } from "../wire/liveness";
import type { Progress as Shown } from "../screens/ports";

/** What one customer's attempts took so far; it travels with the evidence. */
export class Attempts {
  private attempts = 0;
  private readonly begunAt: number;
  private readonly reasons = new Map<AttemptReason, number>();

  constructor(private readonly clock: () => number) {
    this.begunAt = clock();
  }

  begin(): void {
    this.attempts += 1;
  }

  failed(reason: AttemptReason): void {
    this.reasons.set(reason, (this.reasons.get(reason) ?? 0) + 1);
  }

  get totals() {
    const reasons = [...this.reasons].map(([reason, count]) => ({ reason, count }));
    const seconds = Math.max(0, Math.round(this.clock() - this.begunAt));
    return {
      attempts: Math.min(this.attempts, 100),
      seconds: Math.min(seconds, 24 * 3600),
      reasons,
    };
  }
}

export interface Capturing {
  readonly views: AsyncIterable<View>;
  readonly modelDigest: Bytes;
  readonly diagnostician: Diagnostician;
  readonly attempts: Attempts;
  readonly exclusions: readonly Exclusion[];
  readonly show: (shown: Omit<Shown, "stage">) => void;
}

/** Runs a challenge, or without one takes a frontal view. Throws `Inconclusive`. */
export async function capture(challenge: Challenge | null, given: Capturing): Promise<Captured> {
  if (challenge === null || challenge.actions.length === 0) return portrait(given);
  const run = new CaptureRun(challenge, given.modelDigest, given.diagnostician);
  given.attempts.begin();
  try {
    let begun: number | null = null;
    for await (const view of given.views) {
      const progress = await run.feed(view);
      begun ??= view.measured.atMs;
      given.show(shown(progress, challenge, view.measured.atMs - begun));
      if (isOver(progress)) break;
    }
    return await run.result(given.attempts.totals);
  } catch (error) {
    run.clear();
    const reason = error instanceof Inconclusive ? error.reason : null;
    given.attempts.failed(reason ?? "interrupted");
    throw error;
  }
}

async function portrait(given: Capturing): Promise<Captured> {
  const { exclusions } = given;
  const excluded = exclusions.map((one) => one.kind);
  const run = new PortraitRun(excluded, given.diagnostician);
  try {
    for await (const view of given.views) {
      given.show({ prompt: "hold-still", advice: null, done: 0, of: 0, leftMs: null, lit: null });
      if (await run.feed(view)) break;
    }
    return run.result();
  } catch (error) {
    run.clear();
    throw error;
  }
}

function shown(progress: Progress, challenge: Challenge, sinceMs: number): Omit<Shown, "stage"> {
  return {
    prompt: progress.prompt,
    advice: progress.advice,
    done: progress.done,
    of: challenge.actions.length,
    leftMs: Math.max(0, challenge.limitMs - sinceMs),
    lit: progress.number,
  };
}
