/** The page finds, follows, prompts and concludes as the Python client does. */

import { describe, expect, test } from "vitest";
import { CaptureRun, Inconclusive, type View } from "../../src/liveness/capture";
import { ActionDetectors } from "../../src/liveness/detectors";
import { type Advice, Diagnostician } from "../../src/liveness/diagnosis";
import { text } from "../../src/liveness/prompts";
import { isOver, type Progress } from "../../src/liveness/runner";
import { FaceTrack } from "../../src/liveness/tracking";
import type { Bytes } from "../../src/wire/bytes";
import { Challenge, LivenessTranscript } from "../../src/wire/liveness";
import { type Attempted, measurements, series } from "./series";

const TOTALS = { attempts: 1, seconds: 9, reasons: [] };

describe("detectors", () => {
  test.each(Object.entries(series.detectors))("%s", (_name, { frames, events }) => {
    const detectors = new ActionDetectors(true);
    const found = measurements(frames).flatMap((frame) => detectors.feed(frame));
    expect(found.map(({ strength: _, ...event }) => event)).toEqual(
      events.map(({ strength: _, ...event }) => event),
    );
    found.forEach((event, i) => expect(event.strength).toBeCloseTo(events[i]!.strength, 9));
  });
});

test("one face is followed, and no other", () => {
  const { base, people, stands, found, picked } = series.tracking;
  const track = new FaceTrack();
  const rows = stands.map((stand) => {
    if (stand.absent) return { lost: track.lose(stand.atMs) };
    const points = base.map((value, i) => {
      const bent = i % 2 === 0 && i < 34 ? stand.bend : 0;
      return value * stand.zoom + stand.shift[i % 2]! + bent;
    });
    const [fits, look] = track.follow(stand.atMs, points);
    if (!look) return { fits, look };
    if (stand.poor) return { fits, look, unsure: track.unsure(stand.atMs) };
    return { fits, look, same: track.identify(stand.atMs, Float32Array.from(people[stand.person]!)) };
  });
  expect(rows).toEqual(found);
  const far = { box: { top: 0, bottom: 200 }, five: new Array(10).fill(900) };
  const near = { box: { top: 0, bottom: 100 }, five: new Array(10).fill(640) };
  expect([far, near].indexOf(new FaceTrack().pick([far, near])!)).toBe(picked.untracked);
  expect([far, near].indexOf(track.pick([far, near])!)).toBe(picked.tracked);
});

const viewsOf = (attempt: Attempted): View[] =>
  measurements(attempt.frames).map((measured) => ({
    measured,
    async embed() {
      if (attempt.refused.includes(measured.atMs)) return { refused: "not-sharp" };
      const vector = new Float32Array(8);
      vector[Math.floor(measured.atMs / 40) % 8] = 1;
      return { vector };
    },
    passiveScore: async () => attempt.score,
  }));

/** What was told, each time it changed. */
function told(shown: readonly Progress[]): unknown[] {
  const rows: [number, ...unknown[]][] = [];
  shown.forEach(({ state, done, prompt, advice, number }, n) => {
    const row = [state, done, prompt, advice, number];
    if (JSON.stringify(rows.at(-1)?.slice(1)) !== JSON.stringify(row)) rows.push([n, ...row]);
  });
  return rows;
}

/** What the command adds, which has options and no buttons (gateway/client/liveness/options.py). */
const MIRRORS = ["why-other-side", "why-mirrored"];
const TURN_BACK = "Start again with --mirrored (or, if that is set, without it).";
const LEAVE_OUT = "If this cannot be done, start again with --exclude {}.";

function words({ why, exclude, withoutFace }: Advice): string {
  const said: string[] = [text(why, "en")];
  if (MIRRORS.includes(why)) said.push(TURN_BACK);
  if (exclude !== null) {
    said.push(LEAVE_OUT.replace("{}", `${exclude.kind}=${exclude.reason}`));
  }
  if (withoutFace) said.push(text("otherwise-without-face", "en"));
  return said.join(" ");
}

const bytes = (hex: string): Bytes => Uint8Array.from(Buffer.from(hex, "hex"));

async function outcomeOf(run: CaptureRun): Promise<unknown> {
  try {
    const { probe, action, transcript, doubted } = await run.result(TOTALS);
    return {
      doubted,
      transcript: Buffer.from(LivenessTranscript.encode(transcript!)).toString("hex"),
      probe: Array.from(probe),
      action: Array.from(action!, (value) => Number(value.toFixed(3))),
    };
  } catch (error) {
    if (!(error instanceof Inconclusive)) throw error;
    const { reason, advice } = error;
    return { reason, advice: words(advice), exclude: advice.exclude };
  }
}

describe("attempts", () => {
  test.each(Object.entries(series.attempts))("%s", async (_name, customer) => {
    const challenge = Challenge.decode(bytes(customer.challenge));
    const diagnostician = new Diagnostician();
    for (const attempt of customer.attempts) {
      const modelDigest = bytes(MODEL_DIGEST);
      const run = new CaptureRun(challenge, modelDigest, diagnostician);
      const shown: Progress[] = [];
      for (const view of viewsOf(attempt)) {
        shown.push(await run.feed(view));
        if (isOver(shown.at(-1)!)) break;
      }
      if (!isOver(shown.at(-1)!)) shown.push(run.end());
      expect(told(shown)).toEqual(attempt.shown);
      const { score: _, refused: __, frames: ___, shown: ____, ...outcome } = attempt;
      expect(await outcomeOf(run)).toEqual(outcome);
    }
  });
});

/** SHA-256 of "a model of no faces" (tests/support/liveness.py). */
const MODEL_DIGEST = "88a04de9f2eaa172481af3157337b2f49a36fdbfcdcace63efd901afa8696af8";
