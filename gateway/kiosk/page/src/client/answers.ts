/**
 * What came back: an answer of the gateway's own, something else's in its place, or nothing.
 *
 * An answer carries no signature, so only its form tells who made it. A result decodes as the
 * message that was asked for. An error is a JSON object in the CAMARA form that repeats its own
 * status. An error never settles what became of a submission; only the session's state does
 * (`gateway.ts`). Same rules as `gateway/client/answers.py`.
 */

import { type Bytes, fromBase64Url, hex, unhex } from "../wire/bytes";
import { type Fault, Malformed, Refused, Unavailable } from "../wire/errors";
import { WINDOW } from "../wire/requests";
import {
  ClockDiffers,
  GatewayError,
  LivenessNotPossible,
  NoSuchSession,
  NotTheGateway,
} from "./faults";

/** An answer as it arrived. */
export interface Answer {
  /** False: the forwarder could not reach the gateway, and says so in its place. */
  readonly fromGateway: boolean;
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string;
  /** The gateway's header `Date`. */
  readonly date: string;
  readonly content: Uint8Array;
}

/** Seconds that a person at a counter waits because an answer asks for it. */
const LONGEST_PAUSE = 10;
const LONGEST_WORDS = 300;

type Json = Readonly<Record<string, unknown>>;

/** Reads a JSON object. Throws `Malformed`. */
export function jsonObject(content: Uint8Array): Json {
  try {
    const found: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
    if (typeof found === "object" && found !== null && !Array.isArray(found)) return found as Json;
  } catch {
    // no JSON in UTF-8
  }
  throw new Malformed("answer-not-json");
}

/** The error that an answer stands for if it is no result. */
export function errorIn(answer: Answer, before: number, after: number): Fault {
  const problem = problemIn(answer);
  if (problem === null) return new NotTheGateway("not-the-gateway", { status: answer.status });
  const { code, message } = problem;
  const values = { status: answer.status, code, message };
  switch (answer.status) {
    case 403:
      return refusedFor(secondsApart(answer.date, before, after));
    case 404:
      return new NoSuchSession("no-such-session", values);
    case 503:
      return new Unavailable("gateway-unavailable", values, pauseIn(answer.retryAfter));
  }
  if (code === "FACE_VERIFICATION.LIVENESS_NOT_POSSIBLE") {
    return new LivenessNotPossible("liveness-not-possible");
  }
  return new GatewayError("gateway-error", values);
}

/** The error that an answer stands for if it has a result's status but no readable result. */
export const unreadable = (answer: Answer, error: Malformed): Fault =>
  isPage(answer) ? new NotTheGateway("not-the-gateway", { status: answer.status }) : error;

function problemIn(answer: Answer): { code: string; message: string } | null {
  let body: Json;
  try {
    body = jsonObject(answer.content);
  } catch {
    return null;
  }
  const { status, code, message } = body;
  if (status !== answer.status || typeof code !== "string") return null;
  return { code: printable(code), message: printable(String(message)) };
}

/** A refusal. If this machine's clock explains it, the refusal says so. */
function refusedFor(apart: number): Refused {
  if (Math.abs(apart) < WINDOW - 1) return new Refused("gateway-refuses");
  return new ClockDiffers("clock-differs", { seconds: apart });
}

/** How many seconds this clock is ahead of the answering server's; negative if it is behind. */
export function secondsApart(date: string, before: number, after: number): number {
  const there = Date.parse(date) / 1000;
  if (Number.isNaN(there) || (before <= there && there <= after)) return 0;
  return Math.round(there < before ? before - there : after - there);
}

/** Seconds that a `Retry-After` asks for; dates are not read. */
const pauseIn = (header: string): number | null =>
  /^[0-9]+$/.test(header) ? Math.min(Number(header.slice(0, 9)), LONGEST_PAUSE) : null;

function isPage({ contentType, content }: Answer): boolean {
  const start = String.fromCharCode(...content.subarray(0, 64)).trimStart().toLowerCase();
  const marked = start.startsWith("<!doctype") || start.startsWith("<html");
  return marked || contentType.toLowerCase().includes("html");
}

const printable = (text: string): string =>
  text.slice(0, LONGEST_WORDS).replace(/[\p{C}\p{Z}]/gu, (one) => (one === " " ? " " : ""));

const STATES = ["OPEN", "EVALUATING", "RECORDED", "DECIDED", "FAILED"] as const;
export type State = (typeof STATES)[number];

/** The answer to a submission that was decided. */
export interface Verification {
  readonly outcome: "MATCH" | "NO_MATCH";
  readonly recordId: Bytes;
  readonly receipt: Bytes;
}

/** What the gateway says about a session. */
export interface Word {
  readonly state: State;
  readonly verification: Verification | null;
}

/** The state in an answer. Throws `Malformed` unless it is that of this session. */
export function wordIn(content: Uint8Array, session: Bytes): Word {
  const body = jsonObject(content);
  const state = STATES.find((one) => one === body["state"]);
  if (body["sessionId"] !== hex(session) || state === undefined) {
    throw new Malformed("answer-not-a-state");
  }
  return { state, verification: state === "DECIDED" ? verificationIn(body) : null };
}

function verificationIn({ outcome, recordId, receipt }: Json): Verification {
  const known = outcome === "MATCH" || outcome === "NO_MATCH";
  if (!known || typeof recordId !== "string" || typeof receipt !== "string") {
    throw new Malformed("answer-without-outcome");
  }
  return { outcome, recordId: unhex(recordId), receipt: fromBase64Url(receipt.replace(/=+$/, "")) };
}
