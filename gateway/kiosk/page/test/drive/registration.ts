/**
 * Registrations in node, one for each line that comes in: what `tests/support/page_client.py`
 * starts. The page's own code runs, from the session request to the checked receipt; a camera and
 * the local process are stood in for over HTTP.
 */

import { createInterface } from "node:readline";

import type { Answer } from "../../src/client/answers";
import { NoAnswer } from "../../src/client/faults";
import { type Captured, type Counter, type Ports, register } from "../../src/client/registration";
import { type Bytes, hex, unhex } from "../../src/wire/bytes";
import { Fault } from "../../src/wire/errors";
import type { Challenge, Exclusion } from "../../src/wire/liveness";
import { encodeIntervals } from "../../src/wire/liveness";
import { load } from "../he/module";
import { keyOfSeed } from "../wire/keys";

const bgv = load();

/** One line: whom the counter pins, what to register, and what the camera saw. */
interface Order {
  base: string;
  device: { party: string; seed: string };
  issuer: string;
  agent: string;
  outlet: string;
  gateway: { party: string; host: string; sealingKey: string };
  authority: { party: string; publicKeys: string[] };
  pins: Counter["pins"];
  steps: Counter["steps"];
  model: {
    digest: string;
    quality: { outcome: "passed"; measures: string; profileDigest: string };
  };
  document: { handle: string; documentType: string; number: string; how: string };
  /** The number of a guardian's document; null: nobody agrees in the person's place. */
  guardianNumber: string | null;
  exclusions: Exclusion[];
  activationReference: string;
  probe: number[];
  /** At which stage the person goes away; empty: never. */
  leaveAt: string;
}

async function answered(order: Order): Promise<object> {
  const stages: string[] = [];
  const leaving = new AbortController();
  let kept = 0;
  const ports: Ports = {
    transport: (method, path, body, headers) => forward(order.base, method, path, body, headers),
    issue: (template) => post(`${order.base}/issuer/templates`, template),
    encryptProbe: async (key, probe, action) => (await bgv).encryptProbe(key, probe, action),
    clock: () => Math.floor(Date.now() / 1000),
    pause: () => Promise.resolve(),
    keep: () => void kept++,
    progress: (stage) => {
      stages.push(stage);
      if (stage === order.leaveAt) leaving.abort();
    },
  };
  const { guardianNumber, exclusions } = order;
  try {
    const done = await register(
      await counterOf(order),
      {
        document: { ...order.document, handle: unhex(order.document.handle), guardianNumber },
        activationReference: order.activationReference,
        consent: { textVersion: 1, language: "en" },
        purpose: "sim-activation",
        exclusions,
      },
      (challenge, digest) => capture(order, challenge, digest),
      ports,
      leaving.signal,
    );
    const { outcome, recordId, receipt, opening, verified } = done;
    const notes = Object.fromEntries(
      [...verified.notes].map(([step, finding]) => [step, finding.state]),
    );
    const bytes = { recordId: hex(recordId), receipt: hex(receipt), opening: hex(opening) };
    return { outcome, ...bytes, notes, stages, kept };
  } catch (error) {
    if (error instanceof DOMException) return { fault: error.name, stages, kept };
    if (!(error instanceof Fault)) throw error;
    const { name, code, values, step } = error;
    return { fault: name, code, values, step, stages, kept };
  }
}

async function counterOf(order: Order): Promise<Counter> {
  const { gateway, authority, model } = order;
  return {
    device: await keyOfSeed(order.device.party, unhex(order.device.seed)),
    issuer: order.issuer,
    agent: order.agent,
    outlet: order.outlet,
    gateway: { ...gateway, sealingKey: unhex(gateway.sealingKey) },
    authority: { party: authority.party, keys: authority.publicKeys.map(unhex) },
    pins: order.pins,
    steps: order.steps,
    model: {
      digest: unhex(model.digest),
      quality: { ...model.quality, profileDigest: unhex(model.quality.profileDigest) },
    },
  };
}

/** Measurements at an action's height, in hundredths. */
const REACH: Readonly<Record<string, number>> = {
  blink: 90,
  "open-mouth": 60,
  "turn-left": 40,
  "turn-right": -40,
};

/** What a camera would have seen: the face all along, and each action that was asked for. */
async function capture(
  order: Order,
  challenge: Challenge | null,
  digest: Bytes | null,
): Promise<Captured> {
  const probe = Float32Array.from(order.probe);
  if (challenge === null || digest === null) return { probe, action: null, transcript: null };
  const first = 100 * Math.ceil(challenge.startMs / 100 + 5);
  const actions = challenge.actions.map((kind, i) => {
    const askedMs = first + 1500 * i;
    const times = { askedMs, startMs: askedMs + 300, peakMs: askedMs + 500, endMs: askedMs + 700 };
    return { kind, ...times, rest: 0, reach: REACH[kind] ?? 0, openings: [] };
  });
  const frames = Array.from({ length: 15 + 15 * actions.length + 20 }, (_, i) => 100 * i);
  const transcript = {
    session: challenge.session,
    challengeDigest: digest,
    modelDigest: unhex(order.model.digest),
    intervals: encodeIntervals(frames),
    actions,
    longestGapMs: 0,
    faceChanges: 0,
    passive: null,
    totals: { attempts: 1, seconds: 8, reasons: [] },
  };
  return { probe, action: probe, transcript };
}

async function post(url: string, body: Bytes): Promise<Bytes> {
  const answer = await fetch(url, { method: "POST", body });
  if (!answer.ok) throw new NoAnswer("no-answer");
  return new Uint8Array(await answer.arrayBuffer());
}

async function forward(
  base: string,
  method: string,
  path: string,
  body: Bytes | null,
  headers: Record<string, string>,
): Promise<Answer> {
  const answer = await fetch(`${base}/gateway${path}`, { method, body, headers });
  return {
    fromGateway: true,
    status: answer.status,
    contentType: answer.headers.get("content-type") ?? "",
    retryAfter: answer.headers.get("retry-after") ?? "",
    date: answer.headers.get("date") ?? "",
    content: new Uint8Array(await answer.arrayBuffer()),
  };
}

export async function run(): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answered(JSON.parse(line) as Order))}\n`);
  }
}

