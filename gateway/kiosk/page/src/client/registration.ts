/**
 * One registration: a live capture in, one bit and a checked receipt out.
 *
 * 1. Ask the gateway for a session.
 * 2. Check the offer: the pinned authority signed this key for this session; the policy is for the
 *    model in use and one that this counter accepts; the challenge is for this session, and leaves
 *    out what the person asked for.
 * 3. Capture the live face, in answer to the challenge. If that fails, nothing was submitted.
 * 4. The issuer, in the local process, checks the offer itself and hands over a sealed template.
 *    What it signed is about this session and the document that was read.
 * 5. Encrypt probe and action vector, seal them to the gateway, sign the submission assertion, and
 *    submit everything.
 * 6. Verify the receipt as any stranger could. Compare it with what was asked for, read and sent:
 *    it is about this very submission, and says of it nothing else (`agreement.ts`).
 *
 * Before step 2 has passed, only the session request is sent. Nothing that shows a face is ever
 * sent. Same steps as `gateway/client/registration.py`.
 */

import {
  buildSubmission,
  type BuiltSubmission,
  type VerifiedOffer,
  verifyOffer,
} from "../wire/build";
import { type Bytes, randomBytes, sha256 } from "../wire/bytes";
import type { SigningKey, VerifyKey } from "../wire/cose";
import { step } from "../wire/errors";
import { TemplateIssued, TemplateOrder } from "../wire/issuer";
import type { Challenge, Exclusion, LivenessTranscript } from "../wire/liveness";
import { PROFILE } from "../wire/profile";
import { type ExpectedStatement, PendingReceipt } from "../wire/proof";
import { type Pins, type Steps, type VerifiedReceipt, verifyReceipt } from "../wire/receipt";
import type { SessionOffer, SessionRequest } from "../wire/session";
import type { VerifiedSessionKey } from "../wire/session-key";
import type { FaceQuality } from "../wire/submission";
import { activationReference, type Subject } from "../wire/subject";
import {
  type DocumentOnRecord,
  expectedOf,
  requireExcluded,
  requireIssued,
  requireOwn,
} from "./agreement";
import type { Verification } from "./answers";
import { Gateway, type Transport } from "./gateway";

/** What the registration is for. */
export interface Occasion {
  /** The document that the local process read, under its handle there, 16 bytes. */
  readonly document: DocumentOnRecord & { readonly handle: Bytes };
  /** The number or order to be activated. */
  readonly activationReference: string;
  readonly consent: { readonly textVersion: number; readonly language: string };
  readonly purpose: string;
  readonly exclusions: readonly Exclusion[];
}

/** A live capture: unit embeddings of at most 512 values, and what was seen of the challenge. */
export interface Captured {
  readonly probe: Float32Array;
  /** Normalised mean of the frames of the challenge; null: no challenge was answered. */
  readonly action: Float32Array | null;
  readonly transcript: LivenessTranscript | null;
}

/** Captures the live face, in answer to a challenge if there is one. Throws if there is no usable
 * result: then nothing is submitted. */
export type Capture = (challenge: Challenge | null, digest: Bytes | null) => Promise<Captured>;

/** This counter: its names and keys, and whom it pins. */
export interface Counter {
  readonly device: SigningKey;
  readonly issuer: string;
  readonly agent: string;
  readonly outlet: string;
  /** `host`: as `hostOf` its URL; `sealingKey`: 1216 bytes. */
  readonly gateway: { readonly party: string; readonly host: string; readonly sealingKey: Bytes };
  readonly authority: VerifyKey;
  readonly pins: Pins;
  readonly steps: Steps;
  readonly model: { readonly digest: Bytes; readonly quality: FaceQuality };
}

/** Encrypts a probe under a session's key: b's canonical encoding, and the seed of a. */
export type EncryptProbe = (
  key: { readonly b: Uint8Array; readonly aSeed: Uint8Array },
  probe: Float32Array,
  action: Float32Array | null,
) => Promise<Uint8Array>;

/** What a registration reaches of the world around it. */
export interface Ports {
  readonly transport: Transport;
  /** Sends an encoded `TemplateOrder` to the issuer, and brings a `TemplateIssued`. */
  readonly issue: (order: Bytes) => Promise<Uint8Array>;
  readonly encryptProbe: EncryptProbe;
  /** Seconds since 1970. */
  readonly clock: () => number;
  readonly pause: (seconds: number) => Promise<void>;
  /** Keeps an encoded `PendingReceipt`: what is needed to fetch the receipt if no answer comes. It
   * is called each time before the submission leaves. */
  readonly keep: (pending: Bytes) => Promise<void> | void;
  readonly progress: (stage: Stage) => void;
}

export const STAGES = [
  "session",
  "offer",
  "capture",
  "document",
  "encrypt",
  "decide",
  "receipt",
] as const;
/** Names of the steps; a fault carries the one in which it happened. */
export type Stage = (typeof STAGES)[number];

/** A finished registration. `receipt` and `opening` belong to the subscriber. */
export interface Registration {
  readonly outcome: "MATCH" | "NO_MATCH";
  readonly recordId: Bytes;
  readonly receipt: Bytes;
  readonly opening: Bytes;
  readonly verified: VerifiedReceipt;
  /** Under which gateway and authority log a refusal. */
  readonly reference: string;
}

/**
 * Runs one registration.
 *
 * @param signal ends it with an `AbortError`, until the submission leaves.
 * @param reference under which the servers log a refusal; random, a UUID.
 *
 * Throws what the capture throws, `Malformed`, `Refused` or `Unavailable` before anything was
 * submitted; `NoDecision` if the gateway decided nothing; `ReceiptPending` or `OutcomeUnknown` if
 * an outcome exists or may exist; `ReceiptInvalid` or `Refused` for a receipt that does not verify.
 * All of them carry the step's name.
 */
export async function register(
  counter: Counter,
  occasion: Occasion,
  capture: Capture,
  ports: Ports,
  signal: AbortSignal = new AbortController().signal,
  reference: string = crypto.randomUUID(),
): Promise<Registration> {
  const gateway = gatewayOf(counter, ports, reference);
  const clientNonce = randomBytes(32);
  const run = <T>(stage: Stage, work: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    ports.progress(stage);
    return step(stage, work);
  };
  const offer = await run("session", () => {
    activationReference(occasion.activationReference); // an unusable one is known before all else
    return gateway.openSession(requestOf(counter, occasion, clientNonce));
  });
  const offered = await run("offer", () => check(counter, occasion, offer, clientNonce, ports));
  const { key, challenge } = offered;
  const captured = await run("capture", async () =>
    capture(challenge, offer.challenge && (await sha256(offer.challenge))),
  );
  const issued = await run("document", async () => {
    const { grant, publicKey } = offer;
    const { handle } = occasion.document;
    const order = TemplateOrder.encode({ handle, grant, publicKey, clientNonce });
    const handedOver = TemplateIssued.decode(await ports.issue(order));
    await requireIssued(handedOver, key, counter.model.digest, occasion.document);
    return handedOver;
  });
  const built = await run("encrypt", () => build(counter, occasion, key, issued, captured, ports));
  const expected = await expectedOf(offer, offered, issued, built);
  const answer = await run("decide", () =>
    gateway.submit(expected.session, built.encoded, () => keep(expected, built, ports)),
  );
  ports.progress("receipt");
  const { document } = occasion;
  const verified = await step("receipt", () =>
    verify(counter, document, { expected, opening: built.opening }, answer, ports.clock()),
  );
  const { outcome, recordId, receipt } = answer;
  return { outcome, recordId, receipt, opening: built.opening, verified, reference };
}

/** The gateway, as this counter's device speaks to it. */
export const gatewayOf = (counter: Counter, ports: Ports, reference: string): Gateway =>
  new Gateway({
    transport: ports.transport,
    host: counter.gateway.host,
    device: counter.device,
    clock: ports.clock,
    pause: ports.pause,
    reference,
  });

const requestOf = (counter: Counter, occasion: Occasion, clientNonce: Bytes): SessionRequest => ({
  profile: PROFILE,
  gateway: counter.gateway.party,
  device: counter.device.party,
  issuer: counter.issuer,
  clientNonce,
  purpose: occasion.purpose,
  consentTextVersion: occasion.consent.textVersion,
  exclusions: occasion.exclusions,
});

async function check(
  counter: Counter,
  occasion: Occasion,
  offer: SessionOffer,
  clientNonce: Bytes,
  ports: Ports,
): Promise<VerifiedOffer> {
  const expected = {
    authority: counter.authority,
    gateway: counter.gateway.party,
    device: counter.device.party,
    issuer: counter.issuer,
    clientNonce,
  };
  const { pins, model } = counter;
  const offered = await verifyOffer(offer, expected, pins.policies, model.digest, ports.clock());
  requireExcluded(offered.challenge, occasion.exclusions);
  return offered;
}

async function build(
  counter: Counter,
  occasion: Occasion,
  key: VerifiedSessionKey,
  issued: TemplateIssued,
  { probe, action, transcript }: Captured,
  ports: Ports,
): Promise<BuiltSubmission> {
  const ciphertext = new Uint8Array(await ports.encryptProbe(key, probe, action));
  const { device, agent, outlet, model } = counter;
  const { consent, purpose } = occasion;
  return buildSubmission(key, {
    issued,
    ciphertext,
    transcript,
    consent,
    activationReference: occasion.activationReference,
    purpose,
    model,
    device,
    agent,
    outlet,
    sealingKey: counter.gateway.sealingKey,
    now: ports.clock(),
  });
}

async function keep(
  expected: ExpectedStatement,
  { opening }: BuiltSubmission,
  ports: Ports,
): Promise<void> {
  await ports.keep(PendingReceipt.encode({ expected, opening, sentAt: ports.clock() }));
}

/**
 * Checks a receipt, and that it is of what was handed in before.
 *
 * @param document null where its number is not known any more; what is kept has its commitment.
 * @param kept of the submission.
 * @param now seconds since 1970.
 *
 * Throws `ReceiptInvalid`, or `Refused`; `SaysOtherwise` names the field.
 */
export async function verify(
  { pins, steps }: Pick<Counter, "pins" | "steps">,
  document: Subject | null,
  kept: Pick<PendingReceipt, "expected" | "opening">,
  answer: Verification,
  now: number,
): Promise<VerifiedReceipt> {
  const verified = await verifyReceipt(answer.receipt, pins, steps, kept.opening, document);
  requireOwn(kept, answer, verified, now);
  return verified;
}
