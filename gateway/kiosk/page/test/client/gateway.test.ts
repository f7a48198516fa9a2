/** What becomes of a submission is said by its session's state alone, whatever answers first. */

import { describe, expect, it } from "vitest";

import { type Answer, secondsApart } from "../../src/client/answers";
import {
  ClockDiffers,
  GatewayError,
  LivenessNotPossible,
  NoAnswer,
  NoDecision,
  NotTaken,
  NotTheGateway,
  OutcomeUnknown,
  ReceiptPending,
} from "../../src/client/faults";
import { Gateway } from "../../src/client/gateway";
import { hex, utf8 } from "../../src/wire/bytes";
import { Malformed, Refused, Unavailable } from "../../src/wire/errors";
import { PROFILE } from "../../src/wire/profile";
import { keyOfSeed } from "../wire/keys";
import { shake } from "../wire/vectors";

const NOW = 1_700_000_000;
const SESSION = shake("session", 16);
const RECORD = shake("record", 16);
const SUBMISSION = utf8("a submission");

const answer = (status: number, body: object | string, given: Partial<Answer> = {}): Answer => ({
  fromGateway: true,
  status,
  contentType: "application/json",
  retryAfter: "",
  date: new Date(1000 * NOW).toUTCString(),
  content: utf8(typeof body === "string" ? body : JSON.stringify(body)),
  ...given,
});

const state = (name: string, more: object = {}): Answer =>
  answer(200, { sessionId: hex(SESSION), state: name, ...more });
const problem = (status: number, code: string, given: Partial<Answer> = {}): Answer =>
  answer(status, { status, code, message: "words" }, given);

const OUTCOME = { outcome: "MATCH", recordId: hex(RECORD), receipt: "AAEC" };
const DECIDED = state("DECIDED", OUTCOME);
const REFUSED = problem(403, "PERMISSION_DENIED");
const BUSY = problem(503, "UNAVAILABLE", { retryAfter: "7" });
const FORGOTTEN = problem(404, "NOT_FOUND");
const LOGIN = answer(200, "<!doctype html>", { contentType: "text/html" });
const UNREACHED = problem(502, "KIOSK.NO_ANSWER", { fromGateway: false });

/** A gateway that answers in this order, and then for ever as at the end; null: silence. */
async function scripted(...answers: (Answer | null)[]) {
  const sent: string[] = [];
  const pauses: number[] = [];
  const gateway = new Gateway({
    transport: async (method, path) => {
      const next = answers[Math.min(sent.length, answers.length - 1)];
      sent.push(`${method} ${path.split("/").slice(4).join("/").replace(hex(SESSION), "S")}`);
      if (!next) throw new TypeError("fetch failed");
      return next;
    },
    host: "gateway.example",
    device: await keyOfSeed("device", shake("key", 32)),
    clock: () => NOW,
    pause: async (seconds) => void pauses.push(seconds),
    reference: "reference",
  });
  return { gateway, sent, pauses };
}

const HAND_IN = "POST S/submission";
const ASK = "GET S";

describe("a submission", () => {
  it.each<[string, (Answer | null)[], string[]]>([
    ["is decided at once", [DECIDED], [HAND_IN]],
    ["loses its answer", [null, DECIDED], [HAND_IN, ASK]],
    ["is answered by the forwarder", [UNREACHED, DECIDED], [HAND_IN, ASK]],
    ["is answered by a login page", [LOGIN, DECIDED], [HAND_IN, ASK]],
    ["is refused the second time that a proxy sends it", [REFUSED, DECIDED], [HAND_IN, ASK]],
    ["is recorded first", [state("RECORDED"), state("RECORDED"), DECIDED], [HAND_IN, ASK, ASK]],
    ["is handed in again", [null, state("OPEN"), DECIDED], [HAND_IN, ASK, HAND_IN]],
  ])("that %s has its outcome", async (_, answers, requests) => {
    const { gateway, sent } = await scripted(...answers);
    let kept = 0;
    const found = await gateway.submit(SESSION, SUBMISSION, () => void kept++);
    expect(found).toEqual({ outcome: "MATCH", recordId: RECORD, receipt: Uint8Array.of(0, 1, 2) });
    expect(sent).toEqual(requests);
    expect(kept).toBe(requests.filter((one) => one === HAND_IN).length);
  });

  it.each<[string, (Answer | null)[], new (...given: never[]) => Error, string]>([
    ["FAILED after a refusal", [REFUSED, state("FAILED")], NoDecision, "gateway-refuses"],
    ["FAILED after silence", [null, state("FAILED")], NoDecision, "no-answer"],
    ["RECORDED all along", [state("RECORDED")], ReceiptPending, "receipt-pending"],
    ["RECORDED, then forgotten", [state("RECORDED"), FORGOTTEN], ReceiptPending, "receipt-pending"],
    ["OPEN all along", [null, state("OPEN"), null, state("OPEN")], NotTaken, "not-taken"],
    ["RECORDED, then called OPEN", [state("RECORDED"), state("OPEN")], ReceiptPending,
      "receipt-pending"],
    ["OPEN before it was sent again", [null, state("OPEN"), null], OutcomeUnknown,
      "outcome-unknown"],
    ["EVALUATING all along", [state("EVALUATING")], OutcomeUnknown, "being-evaluated"],
    ["forgotten", [null, FORGOTTEN], OutcomeUnknown, "session-forgotten"],
    ["not told", [null], OutcomeUnknown, "outcome-unknown"],
    ["that of another", [state("DECIDED", { ...OUTCOME, sessionId: hex(RECORD) })], OutcomeUnknown,
      "outcome-unknown"],
  ])("whose state is %s", async (_, answers, kind, code) => {
    const { gateway } = await scripted(...answers);
    const failed = gateway.submit(SESSION, SUBMISSION);
    await expect(failed).rejects.toThrow(kind);
    await expect(failed).rejects.toMatchObject({ code });
  });

  it("is asked for later, and given up when its signature is too old", async () => {
    const { gateway } = await scripted(state("OPEN"));
    await expect(gateway.fetch(SESSION, NOW - 120)).rejects.toThrow(NotTaken);
    await expect(gateway.fetch(SESSION, NOW - 121)).rejects.toThrow(NoDecision);
    await expect((await scripted(REFUSED)).gateway.fetch(SESSION, NOW)).rejects.toThrow(Refused);
    expect((await (await scripted(DECIDED)).gateway.fetch(SESSION, NOW)).outcome).toBe("MATCH");
  });
});

describe("a session that is asked for", () => {
  const request = {
    profile: PROFILE,
    gateway: "gateway",
    device: "device",
    issuer: "issuer",
    clientNonce: shake("nonce", 32),
    purpose: "sim-activation",
    consentTextVersion: 1,
    exclusions: [],
  };
  const late = { date: new Date(1000 * (NOW - 100)).toUTCString() };

  it.each<[string, Answer | null, new (...given: never[]) => Error, number]>([
    ["is refused", REFUSED, Refused, 2],
    ["is refused for the time", problem(403, "PERMISSION_DENIED", late), ClockDiffers, 1],
    ["meets a busy gateway", BUSY, Unavailable, 2],
    ["meets a gateway that is down", problem(503, "UNAVAILABLE"), Unavailable, 1],
    ["meets a login page", LOGIN, NotTheGateway, 2],
    ["meets a proxy with another's error", answer(502, { status: 403, code: "PERMISSION_DENIED" }),
      NotTheGateway, 2],
    ["gets no answer", null, NoAnswer, 1],
    ["does not reach the gateway", UNREACHED, NoAnswer, 1],
    ["cannot be asked for liveness", problem(422, "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE"),
      LivenessNotPossible, 1],
    ["is answered otherwise", problem(429, "TOO_MANY_REQUESTS"), GatewayError, 1],
    ["is answered by no offer", answer(200, { grant: 1 }), Malformed, 1],
  ])("%s", async (_, given, kind, times) => {
    const { gateway, sent, pauses } = await scripted(given);
    const failed = gateway.openSession(request);
    await expect(failed).rejects.toThrow(kind);
    expect(sent).toHaveLength(times);
    expect(pauses).toEqual(times === 1 ? [] : [given === BUSY ? 7 : 0.5]);
  });
});

it("tells a wrong clock by the answer's date, and takes no slow answer for one", () => {
  const date = new Date(1000 * NOW).toUTCString();
  expect(secondsApart(date, NOW + 90, NOW + 95)).toBe(90);
  expect(secondsApart(date, NOW - 95, NOW - 90)).toBe(-90);
  expect(secondsApart(date, NOW - 95, NOW + 3)).toBe(0);
  expect(secondsApart("yesterday", NOW, NOW)).toBe(0);
});
