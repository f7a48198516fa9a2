/**
 * Why an attempt failed, from the measurements of its views alone: the rules of
 * gateway/client/liveness/diagnosis.py, where they are explained. No picture is kept for it, and a
 * cause is shown at the counter and goes nowhere else.
 */

import {
  type ActionKind,
  type AttemptReason,
  type Exclusion,
  MOVEMENTS,
} from "../wire/liveness";
import type { Fault } from "./counting";
import { client } from "./limits";
import { type FrameMeasurement, interOcularPx } from "./measurement";
import { median, mostCommon, second } from "./numbers";
import type { MessageId } from "./prompts";

const limits = client.diagnosis;
const run = client.runner;
const findings: Readonly<Record<string, string>> = limits.findings;
const opposite: Readonly<Record<string, string>> = limits.opposite;

/** Movements. With fewer than three kinds of them, no check is possible but a count. */
export const MOST_EXCLUDED = MOVEMENTS.length - limits.leastKinds;

type Reason = Exclusion["reason"];
type Left = Pick<Exclusion, "kind" | "reason">;

/** Why an attempt failed, as the message that says it. */
export interface Cause {
  readonly why: MessageId;
  /** An action that may be left out, and for which reason. */
  readonly excusable: Left | null;
  /** Nothing, or hardly anything, of the action was seen. */
  readonly unseen: boolean;
}

/** What is known of an attempt: every measured view, and what was asked for when it ended. */
export interface Attempt {
  readonly frames: readonly FrameMeasurement[];
  readonly awaited: ActionKind | null;
  readonly askedMs: number | null;
  readonly wrong: ActionKind | null;
  /** What ended a count. */
  readonly fault: Fault | null;
  /** Whether a turn was seen on the side that was asked for. */
  readonly turned: boolean;
}

const plain = (why: MessageId): Cause => ({ why, excusable: null, unseen: false });

const facesOf = (attempt: Attempt): FrameMeasurement[] =>
  attempt.frames.filter((frame) => frame.faces === 1 && frame.face !== null);

/** Names the causes of one customer's failing attempts, one after the other. */
export class Diagnostician {
  private opposite = 0;
  private readonly unseen = new Set<ActionKind>();

  /** The cause, or null if there is none beyond the reason. `reason`: null without a challenge. */
  cause(attempt: Attempt, reason: AttemptReason | null): Cause | null {
    if (reason !== null && limits.unexplained.includes(reason)) return null;
    const found = ofThePicture(attempt, reason !== null);
    if (found !== null) return found;
    if (attempt.fault === "uneven") return plain("why-number-uneven");
    if (reason === "wrong-action") return this.otherSide(attempt);
    if (reason === "face-changed") return null;
    return this.ofTheAction(attempt) ?? ofThePose(attempt);
  }

  /** A person may take left for right once. A camera that mirrors does it every time. */
  private otherSide({ awaited, wrong, turned }: Attempt): Cause | null {
    if (awaited === null || wrong === null || wrong !== opposite[awaited]) return null;
    if (turned) {
      this.opposite = 0;
      return null;
    }
    this.opposite += 1;
    return plain(this.opposite === 1 ? "why-other-side" : "why-mirrored");
  }

  private ofTheAction(attempt: Attempt): Cause | null {
    if (attempt.awaited === null) return null;
    const found = actionCause(attempt.awaited, attempt);
    if (found === null || !found.unseen) return found;
    this.unseen.add(attempt.awaited);
    return this.unseen.size > MOST_EXCLUDED ? plain("why-several-unseen") : found;
  }
}

/** The cause where the quality gate refused the views that were needed. */
export const ofRefusal = (finding: string): Cause =>
  plain((findings[finding] ?? "why-unclear") as MessageId);

/** What is said of a cause: messages in their order, and the exclusion that is offered. */
export interface Advice {
  readonly why: MessageId;
  readonly exclude: Left | null;
  /** Whether the way without a face is named. */
  readonly withoutFace: boolean;
}

export function adviceFor(cause: Cause, excluded: readonly ActionKind[]): Advice {
  const room = excluded.filter((kind) => kind !== "count").length < MOST_EXCLUDED;
  const exclude = room || cause.excusable?.kind === "count" ? cause.excusable : null;
  const hard = cause.excusable !== null || limits.ofThePerson.includes(cause.why);
  return { why: cause.why, exclude, withoutFace: exclude === null && hard };
}

/** Whether the median time between views, in milliseconds, is longer than the limit. */
export function tooSlow(times: readonly number[], limitMs: number = limits.slowMs): boolean {
  if (times.length < limits.few) return false;
  return median(times.slice(1).map((time, i) => time - times[i]!)) > limitMs;
}

// The picture

/** `moves`: whether movements were asked for, which a slow camera misses. */
function ofThePicture(attempt: Attempt, moves: boolean): Cause | null {
  if (attempt.frames.length < limits.few) return null;
  const judged = attempt.frames.map((frame) => frame.finding).filter((one) => one !== null);
  const poor = judged.filter((finding) => finding in findings);
  const refused = limits.refusedOf * poor.length > judged.length;
  const faces = facesOf(attempt);
  let found = refused || judged.length === 0 ? position(attempt.frames) : null;
  found ??= lightAndRate(attempt.frames, faces, moves);
  if (found === null && refused && faces.length > 0) found = refusedFor(faces, poor);
  return found === null ? null : plain(found);
}

function position(frames: readonly FrameMeasurement[]): MessageId | null {
  const turns = mostCommon(frames.map((frame) => frame.uprightTurns).filter((turn) => turn > 0));
  if (turns === undefined) return null;
  return turns === limits.halfTurn ? "why-upside-down" : "why-sideways";
}

function lightAndRate(
  frames: readonly FrameMeasurement[],
  faces: readonly FrameMeasurement[],
  moves: boolean,
): MessageId | null {
  if (mostly(frames, dark)) return "why-dark";
  if (mostly(faces, (frame) => frame.exposure > run.bright)) return "why-bright";
  if (moves && tooSlow(frames.map((frame) => frame.atMs))) return "why-few-views";
  return mostly(faces, far) ? "come-closer" : null;
}

const dark = (frame: FrameMeasurement): boolean =>
  frame.exposure < (frame.face === null ? run.darkRoom : run.dark);

const far = (frame: FrameMeasurement): boolean =>
  frame.face !== null && interOcularPx(frame.face) < run.farPx;

/** Why the quality gate refuses most views. What hides a part of the face is told apart here. */
function refusedFor(faces: readonly FrameMeasurement[], poor: readonly string[]): MessageId {
  const [eyes, lips] = [eyesHidden(faces), lipsHidden(faces)];
  if (eyes && lips) return "why-face-covered";
  if (eyes || lips) return eyes ? "why-eyes-covered" : "why-mouth-covered";
  const found = mostCommon(poor)!;
  const steep = ["averted", "distorted"].includes(found) ? fromAboveOrBelow(faces) : null;
  return steep ?? (findings[found] as MessageId);
}

function fromAboveOrBelow(faces: readonly FrameMeasurement[]): MessageId | null {
  const pitch = median(faces.map((frame) => frame.pitch));
  if (pitch > limits.bowed) return "why-from-above";
  return pitch < limits.raised ? "why-from-below" : null;
}

const eyesHidden = (faces: readonly FrameMeasurement[]): boolean =>
  faces.length > 0 && median(faces.map((frame) => frame.eyesContrast)) < limits.hiddenEyes;

const lipsHidden = (faces: readonly FrameMeasurement[]): boolean =>
  faces.length > 0 && median(faces.map((frame) => frame.mouthContrast)) < limits.hiddenLips;

/** Why nothing was asked for, or no view will do as the probe. */
function ofThePose(attempt: Attempt): Cause | null {
  const faces = facesOf(attempt);
  const shutBoth = [0, 1].every((eye) => shut(faces.map((frame) => frame.eachClosed[eye]!)));
  if (faces.length >= limits.few && shutBoth) return unable("why-eyes-shut", "blink");
  if (attempt.askedMs !== null) return null;
  if (mostly(attempt.frames, (frame) => frame.face === null)) return plain("no-face");
  if (mostly(attempt.frames, (frame) => frame.faces > 1)) return plain("several-faces");
  const averted = mostly(faces, (frame) => Math.abs(frame.turn) > run.frontalTurn);
  return averted ? plain("why-averted") : null;
}

// The action

function actionCause(awaited: ActionKind, attempt: Attempt): Cause | null {
  const { askedMs } = attempt;
  const faces = facesOf(attempt);
  const seen = faces.filter((frame) => askedMs !== null && frame.atMs >= askedMs);
  const [first, last] = [seen[0], seen.at(-1)];
  if (!first || !last || seen.length < limits.few || last.atMs - first.atMs < limits.leastMs) {
    return null;
  }
  const steep = fromAboveOrBelow(seen);
  if (steep !== null) return plain(steep); // nothing looks there as it does from the front
  if (awaited === "blink") return blinkCause(seen);
  if (awaited === "open-mouth") return mouthCause(seen);
  if (awaited === "count") return countCause(seen);
  const frontal = faces.filter(
    (frame) => frame.atMs <= first.atMs && Math.abs(frame.turn) <= run.frontalTurn,
  );
  const rest = median(frontal.map((frame) => frame.turn));
  const way = awaited === "turn-left" ? 1 : -1;
  return turnCause(
    awaited,
    seen,
    seen.map((frame) => way * (frame.turn - rest)),
  );
}

function blinkCause(seen: readonly FrameMeasurement[]): Cause {
  if (eyesHidden(seen)) return leaveOut("why-eyes-covered", "blink", "cannot-be-seen");
  const eyes = [0, 1].map((eye) => seen.map((frame) => frame.eachClosed[eye]!));
  if (eyes.every(shut)) return unable("why-eyes-shut", "blink");
  const moved = eyes.map((eye) => second(eye) >= limits.closed && !shut(eye));
  if (moved.every(Boolean)) return leaveOut("why-blink-unclear", "blink", "not-recognised");
  return unable(moved.some(Boolean) ? "why-one-eye" : "why-eyes-stay-open", "blink");
}

function mouthCause(seen: readonly FrameMeasurement[]): Cause {
  if (lipsHidden(seen)) return leaveOut("why-mouth-covered", "open-mouth", "cannot-be-seen");
  const levels = seen.map((frame) => frame.mouthOpen);
  if (second(levels) - Math.min(...levels) < limits.mouthStill) {
    return unable("why-mouth-still", "open-mouth");
  }
  if (second(levels) < limits.mouthLittle) return unable("why-mouth-little", "open-mouth");
  return leaveOut("why-mouth-unclear", "open-mouth", "not-recognised");
}

function countCause(seen: readonly FrameMeasurement[]): Cause {
  if (lipsHidden(seen)) return leaveOut("why-mouth-covered", "count", "cannot-be-seen");
  return unable("why-number-missed", "count");
}

/** `way`: the turn towards the side that was asked for, from the rest. */
function turnCause(
  kind: ActionKind,
  seen: readonly FrameMeasurement[],
  way: readonly number[],
): Cause {
  const reach = second(way);
  if (reach < limits.headLittle) {
    return unable(reach < limits.headStill ? "why-head-still" : "why-head-little", kind);
  }
  // Eyes seen from the side are the second witness of a turn.
  if (eyesHidden(seen)) return leaveOut("why-eyes-covered", kind, "cannot-be-seen");
  return leaveOut("why-turn-unclear", kind, "not-recognised");
}

const leaveOut = (why: MessageId, kind: ActionKind, reason: Reason): Cause => ({
  why,
  excusable: { kind, reason },
  unseen: false,
});

/** Nothing of the action, or too little, was seen. */
const unable = (why: MessageId, kind: ActionKind): Cause => ({
  why,
  excusable: { kind, reason: "cannot-perform" },
  unseen: true,
});

const shut = (eye: readonly number[]): boolean =>
  eye.filter((level) => level >= limits.closed).length > limits.most * eye.length;

const mostly = (
  frames: readonly FrameMeasurement[],
  holds: (frame: FrameMeasurement) => boolean,
): boolean => frames.length >= limits.few && frames.filter(holds).length > frames.length / 2;
