/**
 * One live capture: views pass detectors and runner, and give two vectors and evidence, as
 * gateway/client/liveness/capture.py explains. The probe is the embedding of the best frontal view;
 * the action vector is the normalised mean of the embeddings within the actions.
 *
 * A view is measured, perhaps embedded, and dropped. Only embeddings with their times stay until
 * the end. No picture is kept here.
 */

import {
  type ActionKind,
  type ActionTrace,
  AttemptTotals,
  type AttemptReason,
  Challenge,
  encodeIntervals,
  type LivenessTranscript,
} from "../wire/liveness";
import type { Bytes } from "../wire/bytes";
import { digestOf, type Of } from "../wire/message";
import { ActionDetectors } from "./detectors";
import { type Advice, adviceFor, type Cause, Diagnostician, ofRefusal, tooSlow } from "./diagnosis";
import { client } from "./limits";
import type { FrameMeasurement } from "./measurement";
import { median, rounded } from "./numbers";
import { adviceOf, type MessageId } from "./prompts";
import { ChallengeRunner, isOver, type Progress } from "./runner";

const limits = client.capture;

/** The embedding of a view's face, or why the quality gate kept it from being made. */
export type Embedded = { readonly vector: Float32Array } | { readonly refused: string };

/** One view: what was measured, and the models that may be asked about its picture. */
export interface View {
  readonly measured: FrameMeasurement;
  embed(): Promise<Embedded>;
  /** From 0, not live, to 1, live. Null if the model pack has no such check. */
  passiveScore(): Promise<number | null>;
}

/** What a registration needs of a live capture. */
export interface Captured {
  readonly probe: Float32Array;
  readonly action: Float32Array | null;
  readonly transcript: LivenessTranscript | null;
  /** The passive check takes what it saw for a photograph or a screen: for the agent alone. */
  readonly doubted: boolean;
}

/** The capture gave nothing that can be submitted. */
export class Inconclusive extends Error {
  constructor(
    /** How the attempt ended; null without a challenge. */
    readonly reason: AttemptReason | null,
    /** For the person. */
    readonly advice: Advice,
  ) {
    super("inconclusive");
    this.name = "Inconclusive";
  }
}

/** Embeddings of this capture, with their times. */
class Vectors {
  frontal: Float32Array | null = null;
  quality = 0;
  readonly passive: number[] = [];
  readonly timed: [number, Float32Array][] = [];
  /** Why the quality gate kept the last poor view from being embedded. */
  refused: string | null = null;

  /** Embed the view if it is the best frontal one so far, or if an embedding is due. */
  async look(view: View, quality: number, passive: boolean, timed: boolean): Promise<void> {
    const { atMs, face, faces } = view.measured;
    if (face === null || faces !== 1) return;
    const better = quality > limits.better * this.quality;
    const last = this.timed.at(-1);
    const due = timed && (last === undefined || atMs - last[0] >= limits.embedEveryMs);
    if (!better && !due) return;
    const embedded = await view.embed();
    if ("refused" in embedded) {
      this.refused = embedded.refused;
      return;
    }
    if (due) this.timed.push([atMs, embedded.vector]);
    if (!better) return;
    this.drop();
    this.frontal = embedded.vector;
    this.quality = quality;
    const score = passive ? await view.passiveScore() : null;
    if (score !== null) this.passive.push(score);
  }

  /** Overwrites what is kept, apart from what was handed out. */
  clear(kept: readonly (Float32Array | null)[] = []): void {
    for (const [, vector] of this.timed) if (!kept.includes(vector)) vector.fill(0);
    this.timed.length = this.passive.length = 0;
    if (this.frontal === null || !kept.includes(this.frontal)) this.drop();
    this.frontal = null;
    this.quality = 0;
  }

  /** Overwrites the best frontal view's, unless it is kept with its time. */
  private drop(): void {
    const { frontal } = this;
    if (!this.timed.some(([, vector]) => vector === frontal)) frontal?.fill(0);
  }
}

/** Runs one challenge over the views of one attempt. */
export class CaptureRun {
  private readonly detectors = new ActionDetectors(true);
  private readonly runner: ChallengeRunner;
  private readonly vectors = new Vectors();
  private readonly frames: FrameMeasurement[] = [];
  private progress: Progress | null = null;

  /** `diagnostician`: of this customer, who may have failed before. */
  constructor(
    private readonly challenge: Challenge,
    private readonly modelDigest: Bytes,
    private readonly diagnostician = new Diagnostician(),
  ) {
    this.runner = new ChallengeRunner(challenge);
  }

  /** Take the next view; ends with what to tell the person. One view at a time. */
  async feed(view: View): Promise<Progress> {
    const { measured } = view;
    this.frames.push(measured);
    this.progress = this.runner.feed(measured, this.detectors.feed(measured));
    const { asking } = this.runner;
    if (!measured.continuous && !asking) this.vectors.clear(); // of another face
    const quality = frontalQuality(measured, this.excluded);
    await this.vectors.look(view, quality, this.challenge.passive !== "off", asking);
    return this.progress;
  }

  /** No further view will come. */
  end(reason: AttemptReason = "recording-ended"): Progress {
    this.progress = this.runner.end(reason);
    return this.progress;
  }

  /**
   * What came of the attempt, once it is over.
   *
   * @param totals of the attempts so far, with this one.
   * @throws Inconclusive with reason and advice; nothing can be submitted.
   */
  async result(totals: Of<typeof AttemptTotals>): Promise<Captured> {
    const progress = this.progress !== null && isOver(this.progress) ? this.progress : this.end();
    try {
      if (progress.state === "failed") this.fail(progress.reason ?? "interrupted");
      return await this.captured(totals);
    } catch (error) {
      this.vectors.clear();
      throw error;
    }
  }

  /** Forget everything: the person went away. */
  clear(): void {
    this.vectors.clear();
    this.frames.length = 0;
  }

  private async captured(totals: Of<typeof AttemptTotals>): Promise<Captured> {
    const { challenge, runner, vectors } = this;
    const passive =
      vectors.passive.length === 0 ? null : rounded(100 * median(vectors.passive));
    if (!satisfied(challenge, passive)) this.plainly("passive-check");
    const { times, longestGapMs } = runner.followed;
    if (tooSlow(times, limits.maxIntervalMs)) this.because("interrupted", "why-few-views");
    const action = actionVector(vectors.timed, runner.traces, runner.firstMs);
    const probe = vectors.frontal;
    if (probe === null || action === null) {
      action?.fill(0);
      this.fail("face-lost", vectors.refused === null ? null : ofRefusal(vectors.refused));
    }
    const transcript: LivenessTranscript = {
      session: challenge.session,
      challengeDigest: await digestOf(Challenge, challenge),
      modelDigest: this.modelDigest,
      intervals: encodeIntervals(times),
      actions: runner.traces,
      longestGapMs,
      faceChanges: 0,
      passive,
      totals,
    };
    vectors.clear([probe]);
    return { probe, action, transcript, doubted: doubts(challenge, passive) };
  }

  private get excluded(): ActionKind[] {
    return this.challenge.excluded.map((one) => one.kind);
  }

  private fail(reason: AttemptReason, otherwise: Cause | null = null): never {
    const { runner } = this;
    const attempt = {
      frames: this.frames,
      awaited: runner.awaited,
      askedMs: runner.askedMs,
      wrong: runner.wrong,
      fault: runner.fault,
      turned: runner.traces.some((trace) => trace.kind.startsWith("turn")),
    };
    const cause = this.diagnostician.cause(attempt, reason) ?? otherwise;
    if (cause === null) this.plainly(reason);
    throw new Inconclusive(reason, adviceFor(cause, this.excluded));
  }

  private plainly(reason: AttemptReason): never {
    this.because(reason, adviceOf(reason));
  }

  private because(reason: AttemptReason, why: MessageId): never {
    throw new Inconclusive(reason, { why, exclude: null, withoutFace: false });
  }
}

/** The best frontal view of the first seconds, without a challenge. */
export class PortraitRun {
  private readonly vectors = new Vectors();
  private readonly frames: FrameMeasurement[] = [];
  private firstMs: number | null = null;

  /** `excluded`: what the person cannot do. Who cannot blink may have closed eyes. */
  constructor(
    private readonly excluded: readonly ActionKind[] = [],
    private readonly diagnostician = new Diagnostician(),
  ) {}

  /** Whether enough was seen. One view at a time; its time counts from the first one. */
  async feed(view: View): Promise<boolean> {
    const { measured } = view;
    this.frames.push(measured);
    await this.vectors.look(view, frontalQuality(measured, this.excluded), false, false);
    if (this.vectors.frontal !== null) this.firstMs ??= measured.atMs;
    const since = measured.atMs - (this.firstMs ?? measured.atMs);
    return since > limits.portraitMs || measured.atMs > limits.portraitWaitMs;
  }

  /** Forget everything: the person went away. */
  clear(): void {
    this.vectors.clear();
    this.frames.length = 0;
  }

  /** @throws Inconclusive if no view showed one frontal face. */
  result(): Captured {
    const { frontal, refused } = this.vectors;
    if (frontal !== null) return { probe: frontal, action: null, transcript: null, doubted: false };
    const attempt = {
      frames: this.frames,
      awaited: null,
      askedMs: null,
      wrong: null,
      fault: null,
      turned: false,
    };
    const cause =
      this.diagnostician.cause(attempt, null) ??
      (refused === null
        ? { why: "look-straight" as const, excusable: null, unseen: false }
        : ofRefusal(refused));
    throw new Inconclusive(null, adviceFor(cause, this.excluded));
  }
}

/** Whether a passive score is below what this challenge names. */
function doubts({ passiveThreshold }: Challenge, score: number | null): boolean {
  return score !== null && score < passiveThreshold;
}

/** Whether a passive score is one that this challenge accepts. */
function satisfied({ passive, passiveThreshold }: Challenge, score: number | null): boolean {
  return passive !== "require" || (score !== null && score >= passiveThreshold);
}

/** Sharpness of a view that could be the probe; 0 for one that could not. */
function frontalQuality(frame: FrameMeasurement, excluded: readonly ActionKind[]): number {
  const frontal =
    Math.abs(frame.turn) <= limits.probeTurn &&
    (frame.eyesClosed <= limits.probeClosed || excluded.includes("blink")) &&
    frame.mouthOpen <= limits.probeMouth;
  return frontal ? frame.sharpness : 0;
}

/** Normalised mean of the embeddings within the actions. Null if any action has none. */
function actionVector(
  timed: readonly (readonly [number, Float32Array])[],
  traces: readonly ActionTrace[],
  firstMs: number,
): Float32Array | null {
  const chosen: Float32Array[] = [];
  for (const trace of traces) {
    const own = ofAction(timed, trace.startMs + firstMs, trace.endMs + firstMs);
    if (own.length === 0) return null;
    chosen.push(...own);
  }
  const mean = new Float64Array(chosen[0]?.length ?? 0);
  for (const vector of chosen) vector.forEach((value, i) => (mean[i]! += value / chosen.length));
  const length = Math.hypot(...mean);
  const vector = length === 0 ? null : Float32Array.from(mean, (value) => value / length);
  mean.fill(0);
  return vector;
}

/** The embeddings between two times, or the nearest one. */
function ofAction(
  timed: readonly (readonly [number, Float32Array])[],
  start: number,
  end: number,
): Float32Array[] {
  const away = timed.map(([at, vector]) => [Math.max(start - at, at - end, 0), vector] as const);
  const own = away.filter(([distance]) => distance === 0).map(([, vector]) => vector);
  if (own.length > 0) return own;
  const near = away.filter(([distance]) => distance <= limits.nearMs);
  if (near.length === 0) return [];
  return [near.reduce((best, one) => (one[0] < best[0] ? one : best))[1]];
}
