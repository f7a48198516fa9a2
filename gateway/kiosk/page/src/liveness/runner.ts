/**
 * A challenge as a state machine over measured views: the rules of
 * gateway/client/liveness/runner.py, where they are explained. Pure: the views tell the time.
 */

import { Misuse } from "../wire/errors";
import {
  type ActionKind,
  type ActionTrace,
  type AttemptReason,
  type Challenge,
  MAX_FRAMES,
} from "../wire/liveness";
import { Count, type Fault } from "./counting";
import type { Action } from "./detectors";
import { client } from "./limits";
import { type FrameMeasurement, interOcularPx } from "./measurement";
import { median, rounded } from "./numbers";
import { ask, type MessageId } from "./prompts";

const limits = client.runner;

export type CaptureState = "settling" | "asking" | "passed" | "failed";

/** State of the challenge after a view, and what to tell the person. */
export interface Progress {
  readonly state: CaptureState;
  readonly done: number;
  readonly prompt: MessageId;
  readonly advice: MessageId | null;
  readonly reason: AttemptReason | null;
  /** The number that is lit, in a count. */
  readonly number: number | null;
}

export const isOver = ({ state }: Progress): boolean => state === "passed" || state === "failed";

/** One unbroken face, from its first view. */
interface Track {
  readonly firstMs: number;
  lastFaceMs: number;
  longestGapMs: number;
  readonly times: number[];
  readonly levels: FrameMeasurement[];
}

/** What the evidence of a passed challenge says of its views. */
export interface Followed {
  readonly times: readonly number[];
  readonly longestGapMs: number;
}

/** Runs one challenge. Feed views in order until the challenge is over. */
export class ChallengeRunner {
  private begunMs: number | null = null;
  private track: Track | null = null;
  private crowded = false;
  private asked: FrameMeasurement | null = null;
  private readonly seen: ActionTrace[] = [];
  private reason: AttemptReason | null = null;
  private other: ActionKind | null = null;
  private count: Count | null = null;

  constructor(private readonly challenge: Challenge) {
    if (challenge.actions.length === 0) throw new Misuse("asks-for-nothing");
  }

  /** The action that is asked for and was not seen yet. */
  get awaited(): ActionKind | null {
    return this.asking ? (this.challenge.actions[this.seen.length] ?? null) : null;
  }

  /** When `awaited` was asked for, in the source's own time. */
  get askedMs(): number | null {
    return this.asked?.atMs ?? null;
  }

  /** The action that was seen in place of `awaited`, and ended the attempt. */
  get wrong(): ActionKind | null {
    return this.other;
  }

  /** What ended a count, if one did. */
  get fault(): Fault | null {
    return this.count?.fault ?? null;
  }

  /** The actions seen so far, in the times of the transcript. */
  get traces(): readonly ActionTrace[] {
    return this.seen;
  }

  /** When the transcript's first view was taken, in the source's own time. */
  get firstMs(): number {
    return this.track?.firstMs ?? 0;
  }

  /** Whether actions are asked for. From then on, one face must stay in view. */
  get asking(): boolean {
    return this.asked !== null;
  }

  /** The views of a passed challenge. Throws `Misuse` before that. */
  get followed(): Followed {
    if (this.state !== "passed" || this.track === null) throw new Misuse("not-passed");
    return this.track;
  }

  /** Take the next view, and the actions that were found with it. */
  feed(frame: FrameMeasurement, actions: readonly Action[] = []): Progress {
    if (this.state === "passed" || this.state === "failed") throw new Misuse("challenge-is-over");
    this.begunMs ??= frame.atMs;
    this.follow(frame);
    if (this.reason === null && this.asked !== null) {
      this.take(actions, frame);
      this.goOnCounting(frame);
    }
    if (this.state === "settling" || this.state === "asking") {
      this.watchTheClock(frame, this.begunMs);
      this.maybeAsk(frame);
    }
    return this.progress(frame);
  }

  /** End the challenge, because no further view will come. */
  end(reason: AttemptReason = "recording-ended"): Progress {
    if (this.state !== "passed") this.reason ??= reason;
    return {
      state: this.state,
      done: this.seen.length,
      prompt: "failed",
      advice: null,
      reason: this.reason,
      number: null,
    };
  }

  private get state(): CaptureState {
    if (this.reason !== null) return "failed";
    if (this.seen.length === this.challenge.actions.length) return "passed";
    return this.asked === null ? "settling" : "asking";
  }

  /** Follow one face without a long gap. A break before the first prompt begins a new track. */
  private follow(frame: FrameMeasurement): void {
    const usable = frame.faces === 1 && frame.face !== null;
    const gap = this.track === null ? 0 : frame.atMs - this.track.lastFaceMs;
    const broken = gap > limits.maxGapMs || (usable && !frame.continuous);
    if (this.track === null || broken) {
      if (this.asked !== null) {
        this.failForFace(gap <= limits.maxGapMs);
        return;
      }
      this.track = usable ? trackFrom(frame.atMs) : null;
    }
    this.crowded = frame.faces > 1;
    const { track } = this;
    if (track === null) return;
    track.times.push(frame.atMs);
    if (!usable) return;
    track.longestGapMs = Math.max(track.longestGapMs, frame.atMs - track.lastFaceMs);
    track.lastFaceMs = frame.atMs;
    track.levels.push(frame);
    if (track.levels.length > limits.remembered) track.levels.shift();
  }

  private failForFace(changed: boolean): void {
    this.reason = changed ? "face-changed" : this.crowded ? "several-faces" : "face-lost";
  }

  private take(actions: readonly Action[], frame: FrameMeasurement): void {
    for (const action of actions) {
      const expected = this.challenge.actions[this.seen.length];
      if (this.asked === null || action.startMs < this.asked.atMs + limits.reactionMs) continue;
      if (action.kind === "count") {
        this.count?.take(action);
      } else if (action.kind === expected) {
        this.seen.push(this.trace(action, this.asked));
        this.ask(frame);
        if (this.state === "passed") return;
      } else if (!harmless(action.kind, expected)) {
        this.reason = "wrong-action";
        this.other = action.kind;
        return;
      }
    }
  }

  private goOnCounting(frame: FrameMeasurement): void {
    const { count, asked } = this;
    if (count === null || asked === null) return;
    count.watch(frame.atMs);
    if (count.fault !== null) {
      this.reason = count.fault === "missed" ? "time-ran-out" : "wrong-action";
    } else if (count.complete) {
      this.seen.push(this.traceOfCount(count.answers, asked, frame));
      this.ask(frame);
    }
  }

  /** Ask for the next action, if one is left. */
  private ask(frame: FrameMeasurement): void {
    const { counting } = this.challenge;
    this.asked = frame;
    this.count = null;
    if (this.awaited === "count" && counting !== null) {
      this.count = new Count(counting, frame.atMs, limits.reactionMs);
    }
  }

  private traceOfCount(
    answers: readonly Action[],
    asked: FrameMeasurement,
    frame: FrameMeasurement,
  ): ActionTrace {
    const { firstMs } = this;
    const levels = answers.map(({ peakMs }) => levelOf("count", this.nearest(peakMs)));
    const reach = Math.min(...levels);
    return {
      kind: "count",
      askedMs: asked.atMs - firstMs,
      startMs: answers[0]!.startMs - firstMs,
      peakMs: answers[levels.indexOf(reach)]!.peakMs - firstMs,
      endMs: frame.atMs - firstMs,
      rest: this.rest(answers[0]!, asked),
      reach,
      openings: answers.map(({ startMs }) => startMs - firstMs),
    };
  }

  private trace(action: Action, asked: FrameMeasurement): ActionTrace {
    const { firstMs } = this;
    return {
      kind: action.kind,
      askedMs: asked.atMs - firstMs,
      startMs: action.startMs - firstMs,
      peakMs: action.peakMs - firstMs,
      endMs: action.endMs - firstMs,
      rest: this.rest(action, asked),
      reach: levelOf(action.kind, this.nearest(action.peakMs)),
      openings: [],
    };
  }

  private nearest(atMs: number): FrameMeasurement {
    return this.frames.reduce((best, one) =>
      Math.abs(one.atMs - atMs) < Math.abs(best.atMs - atMs) ? one : best,
    );
  }

  private get frames(): readonly FrameMeasurement[] {
    return this.track?.levels ?? [];
  }

  /** Median before the action, because a single view may show an unasked blink. */
  private rest(action: Action, asked: FrameMeasurement): number {
    const before = action.startMs - limits.restMs;
    const levels = this.frames
      .filter((frame) => before <= frame.atMs && frame.atMs < action.startMs)
      .map((frame) => levelOf(action.kind, frame));
    return rounded(median(levels.length > 0 ? levels : [levelOf(action.kind, asked)]));
  }

  private watchTheClock(frame: FrameMeasurement, begunMs: number): void {
    const frames = this.track?.times.length ?? 0;
    if (frame.atMs - begunMs > this.challenge.limitMs || frames > MAX_FRAMES) {
      this.reason = "time-ran-out";
    }
  }

  /** Ask for the first action at its moment, once the person looks straight. */
  private maybeAsk(frame: FrameMeasurement): void {
    if (this.asked !== null || this.track === null || hindrance(frame) !== null) return;
    if (frame.atMs - this.track.firstMs >= this.challenge.startMs && frontal(frame)) {
      this.ask(frame);
    }
  }

  private progress(frame: FrameMeasurement): Progress {
    const { state } = this;
    const said = (prompt: MessageId, advice: MessageId | null = null): Progress => ({
      state,
      done: this.seen.length,
      prompt,
      advice,
      reason: this.reason,
      number: state === "asking" ? (this.count?.lit(frame.atMs) ?? null) : null,
    });
    const { awaited } = this;
    if (state === "failed") return said("failed");
    if (state === "passed") return said("done");
    if (this.asked === null || awaited === null) {
      return said("hold-still", hindrance(frame) ?? (frontal(frame) ? null : "look-straight"));
    }
    const late = this.count === null && frame.atMs - this.asked.atMs > limits.patienceMs;
    return said(ask(awaited), hindrance(frame) ?? (late ? "more-clearly" : null));
  }
}

const MOUTH: ReadonlySet<ActionKind> = new Set(["open-mouth", "count"]);

const trackFrom = (atMs: number): Track => ({
  firstMs: atMs,
  lastFaceMs: atMs,
  longestGapMs: 0,
  times: [],
  levels: [],
});

/** People blink unasked; whoever counts opens the mouth. */
const harmless = (kind: ActionKind, expected: ActionKind | undefined): boolean =>
  kind === "blink" || (kind === "open-mouth" && expected === "count");

/** The action's own measurement in hundredths. */
function levelOf(kind: ActionKind, frame: FrameMeasurement): number {
  const level = kind === "blink" ? frame.eyesClosed : MOUTH.has(kind) ? frame.mouthOpen : frame.turn;
  return Math.max(-300, Math.min(300, rounded(100 * level)));
}

const frontal = (frame: FrameMeasurement): boolean =>
  frame.faces === 1 && Math.abs(frame.turn) <= limits.frontalTurn;

/** Advice about what makes this view unusable, or null. */
export function hindrance(frame: FrameMeasurement): MessageId | null {
  if (frame.faces === 0 || frame.face === null) {
    return frame.exposure >= limits.darkRoom ? "no-face" : "too-dark";
  }
  if (frame.faces > 1) return "several-faces";
  if (interOcularPx(frame.face) < limits.farPx) return "come-closer";
  if (frame.exposure < limits.dark) return "too-dark";
  return frame.exposure > limits.bright ? "too-bright" : null;
}
