/**
 * The liveness challenge and its answer, as messages (`gateway/wire/liveness.py`).
 *
 * Times are milliseconds after the transcript's first frame; measurements are in hundredths. Left
 * and right are the subject's own. What is measured, and how, is `src/liveness`.
 */

import type { Bytes } from "./bytes";
import { digest, nonce, sessionId } from "./fields";
import { Misuse } from "./errors";
import { bytes, distinct, flag, integer, list, message, nullable, type Of, oneOf } from "./message";

export const MOVEMENTS = ["blink", "open-mouth", "turn-left", "turn-right"] as const;
export const ACTION_KINDS = [...MOVEMENTS, "count"] as const;
export type ActionKind = (typeof ACTION_KINDS)[number];

const MAX_ACTIONS = 6;
const MAX_NUMBERS = 9;
const MAX_LIMIT_MS = 60_000;
/** 30 views a second for the longest time limit. */
export const MAX_FRAMES = 1800;
export const EVIDENCE_BYTES = 8 * 1024;

const kind = oneOf(...ACTION_KINDS);
const time = integer(0, 2 * MAX_LIMIT_MS);
const score = integer(0, 100);
const level = integer(-300, 300);
const passiveRule = oneOf("off", "warn", "require");

export const Exclusion = message("Exclusion", {
  kind,
  reason: oneOf("cannot-perform", "cannot-be-seen", "not-recognised"),
});
export type Exclusion = Of<typeof Exclusion>;

export const exclusions = list(Exclusion.field, ACTION_KINDS.length);
const actions = list(kind, MAX_ACTIONS);

export const Counting = message(
  "Counting",
  {
    moments: list(integer(0, MAX_LIMIT_MS), MAX_NUMBERS, 4),
    latestMs: integer(500, 5_000),
    toleranceMs: integer(100, 1_000),
  },
  {
    holds: ({ moments, latestMs }) =>
      moments.every((moment, i) => i === 0 || moment - moments[i - 1]! >= latestMs),
  },
);
export type Counting = Of<typeof Counting>;

export const Challenge = message(
  "Challenge",
  {
    session: sessionId,
    nonce,
    actions,
    excluded: exclusions,
    startMs: integer(0, 10_000),
    limitMs: integer(3_000, MAX_LIMIT_MS),
    counting: nullable(Counting.field),
    passive: passiveRule,
    passiveThreshold: score,
    required: flag,
  },
  {
    maxBytes: 1024,
    holds: (value) =>
      distinct(value.excluded.map((one) => one.kind)) &&
      value.actions.every((one, i) => one !== value.actions[i + 1]) &&
      !value.excluded.some((one) => value.actions.includes(one.kind)) &&
      value.actions.filter((one) => one === "count").length === (value.counting === null ? 0 : 1),
  },
);
export type Challenge = Of<typeof Challenge>;

export const ActionTrace = message("ActionTrace", {
  kind,
  askedMs: time,
  startMs: time,
  peakMs: time,
  endMs: time,
  rest: level,
  reach: level,
  openings: list(time, MAX_NUMBERS),
});
export type ActionTrace = Of<typeof ActionTrace>;

const REASONS = [
  "time-ran-out",
  "wrong-action",
  "face-lost",
  "several-faces",
  "face-changed",
  "recording-ended",
  "passive-check",
  "interrupted",
] as const;
export type AttemptReason = (typeof REASONS)[number];

export const ReasonCount = message("ReasonCount", {
  reason: oneOf(...REASONS),
  count: integer(1, 100),
});

export const AttemptTotals = message(
  "AttemptTotals",
  {
    attempts: integer(1, 100),
    seconds: integer(0, 24 * 3600),
    reasons: list(ReasonCount.field, REASONS.length),
  },
  { holds: (value) => distinct(value.reasons.map((one) => one.reason)) },
);

export const LivenessTranscript = message(
  "LivenessTranscript",
  {
    session: sessionId,
    challengeDigest: digest,
    modelDigest: digest,
    intervals: bytes(0, 2 * (MAX_FRAMES - 1)),
    actions: list(ActionTrace.field, MAX_ACTIONS),
    longestGapMs: time,
    faceChanges: integer(0, 1000),
    passive: nullable(score),
    totals: AttemptTotals.field,
  },
  { maxBytes: EVIDENCE_BYTES, holds: (value) => value.intervals.length % 2 === 0 },
);
export type LivenessTranscript = Of<typeof LivenessTranscript>;

export const LivenessResult = message("LivenessResult", {
  outcome: oneOf("not-performed", "not-possible", "passed"),
  asked: actions,
  excluded: exclusions,
  passive: passiveRule,
  evidenceDigest: nullable(digest),
});
export type LivenessResult = Of<typeof LivenessResult>;

/**
 * What a statement says of a submission that is taken. Gateway and client know it alike.
 *
 * @param evidenceDigest of the transcript that answers the challenge; null: none was handed in.
 */
export function resultOf(
  challenge: Challenge | null,
  evidenceDigest: Bytes | null,
): LivenessResult {
  const { actions = [], excluded = [], passive = "off" } = challenge ?? {};
  if (challenge !== null && evidenceDigest !== null) {
    return { outcome: "passed", asked: actions, excluded, passive, evidenceDigest };
  }
  const outcome = challenge === null || actions.length > 0 ? "not-performed" : "not-possible";
  return { outcome, asked: [], excluded, passive: "off", evidenceDigest: null };
}

/** `intervals` of ascending frame times in whole milliseconds. Throws `Misuse`. */
export function encodeIntervals(times: readonly number[]): Bytes {
  const encoded = new Uint8Array(2 * Math.max(0, times.length - 1));
  const view = new DataView(encoded.buffer);
  for (let i = 1; i < times.length; i++) {
    const between = times[i]! - times[i - 1]!;
    if (!Number.isInteger(between) || between < 0 || between > 0xffff) throw new Misuse("not-times");
    view.setUint16(2 * (i - 1), between);
  }
  return encoded;
}
