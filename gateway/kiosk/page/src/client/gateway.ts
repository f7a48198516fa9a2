/**
 * Requests of the page to the gateway. The device signs every one of them.
 *
 * A submission is decided once, and its answer can be lost or replaced on the way. Only the
 * session's state says what became of it:
 *
 *     DECIDED     the outcome and its receipt
 *     RECORDED    there is an outcome; its receipt comes later        ReceiptPending
 *     FAILED      there is none, and will be none                     NoDecision
 *     OPEN        the submission has not been taken                   handed in again; NotTaken
 *     EVALUATING  not known yet                                       OutcomeUnknown
 *     (no word)   not known; a forgotten session may be decided       OutcomeUnknown
 *
 * So if a submission is answered by anything but this session's state, the page asks for the state.
 * Handed in again, the same bytes count once. Same rules as `gateway/client/gateway_client.py`.
 */

import { type Bytes, hex } from "../wire/bytes";
import type { SigningKey } from "../wire/cose";
import { Fault, Malformed, Refused, Unavailable } from "../wire/errors";
import { WINDOW, signRequest } from "../wire/requests";
import { SessionOffer, SessionRequest } from "../wire/session";
import { type Answer, errorIn, unreadable, type Verification, type Word, wordIn } from "./answers";
import {
  NoAnswer,
  NoDecision,
  NoSuchSession,
  NotTaken,
  NotTheGateway,
  OutcomeUnknown,
  ReceiptPending,
} from "./faults";

const BASE = "/face-verification/v0.1/sessions";
const CORRELATOR = "x-correlator";
const CBOR = "application/cbor";
const ANSWER_BYTES = 128 * 1024;

/** How often in a row to ask for a session's state without any answer. */
const RECOVERY_ATTEMPTS = 5;
const RECOVERY_PAUSE_SECONDS = 0.5;
/** How often to ask in all, while an evaluation goes on or a receipt is not published yet. */
const RECEIPT_ATTEMPTS = 60;
/** How often to hand in a submission that the gateway has not taken. */
const SUBMISSIONS = 3;
/** How often to ask for a session. An unused one expires. */
const OPENINGS = 2;

/** Passes a request on to the gateway, and brings its answer. Throws for none. */
export type Transport = (
  method: "GET" | "POST",
  path: string,
  body: Bytes | null,
  headers: Record<string, string>,
) => Promise<Answer>;

/** What a line to a gateway stands on. */
export interface Line {
  readonly transport: Transport;
  /** The gateway's host, as `hostOf` its URL: requests are signed for it. */
  readonly host: string;
  readonly device: SigningKey;
  /** Seconds since 1970. */
  readonly clock: () => number;
  readonly pause: (seconds: number) => Promise<void>;
  /** Under which the servers log a refusal; random, and means nothing. */
  readonly reference: string;
}

export class Gateway {
  constructor(private readonly line: Line) {}

  /**
   * Opens a session. Asks once more after an answer that is not the gateway's own, where a busy
   * gateway says when, and after a refusal, which a proxy causes that sends a request twice.
   */
  async openSession(request: SessionRequest): Promise<SessionOffer> {
    const body = SessionRequest.encode(request);
    for (let number = 1; number < OPENINGS; number++) {
      try {
        return await this.open(body);
      } catch (error) {
        if (!isWorthAsking(error)) throw error;
        await this.line.pause(pauseAfter(error));
      }
    }
    return this.open(body);
  }

  /**
   * Hands in a submission, and finds out what became of it.
   *
   * @param beforeSending called each time before the submission leaves.
   */
  async submit(
    session: Bytes,
    submission: Bytes,
    beforeSending: () => Promise<void> | void = () => {},
  ): Promise<Verification> {
    const inquiry = new Inquiry(() => this.word(session, null), this.line.pause);
    for (let number = 0; number < SUBMISSIONS; number++) {
      if (number) await this.line.pause(pauseAfter(inquiry.answered));
      await beforeSending();
      await inquiry.handIn(() => this.word(session, submission));
      if (!inquiry.settled) await inquiry.ask();
      if (inquiry.state !== "OPEN") break;
    }
    return inquiry.decided(session);
  }

  /**
   * Outcome and receipt of a submission that was handed in before.
   *
   * @param sentAt when it was last sent. One that was not taken by twice `WINDOW` later never will
   *   be: its signature is too old.
   */
  async fetch(session: Bytes, sentAt: number): Promise<Verification> {
    const inquiry = new Inquiry(() => this.word(session, null), this.line.pause);
    await inquiry.ask(true);
    if (inquiry.state === null && inquiry.error instanceof Refused) throw inquiry.error;
    if (inquiry.state === "OPEN" && this.line.clock() > sentAt + 2 * WINDOW) {
      throw new NoDecision(null);
    }
    return inquiry.decided(session);
  }

  private open(body: Bytes): Promise<SessionOffer> {
    return this.send("POST", BASE, body, SessionOffer.maxBytes, (content) =>
      SessionOffer.decode(content),
    );
  }

  /** The session's state, asked for or as the answer to a submission. */
  private word(session: Bytes, submission: Bytes | null): Promise<Word> {
    const path = `${BASE}/${hex(session)}`;
    const read = (content: Uint8Array): Word => wordIn(content, session);
    return submission === null
      ? this.send("GET", path, null, ANSWER_BYTES, read)
      : this.send("POST", `${path}/submission`, submission, ANSWER_BYTES, read);
  }

  private async send<T>(
    method: "GET" | "POST",
    path: string,
    body: Bytes | null,
    limit: number,
    read: (content: Uint8Array) => T,
  ): Promise<T> {
    const { transport, host, device, clock, reference } = this.line;
    const before = clock();
    const signed = await signRequest(method, host, path, body ?? new Uint8Array(), device, before);
    const type = body === null ? {} : { "Content-Type": CBOR };
    const headers = { ...signed, ...type, [CORRELATOR]: reference };
    const answer = await transport(method, path, body, headers).catch((error: unknown) => {
      throw error instanceof Fault ? error : new NoAnswer("no-answer");
    });
    if (!answer.fromGateway) throw new NoAnswer("no-answer");
    if (answer.status !== 200 && answer.status !== 202) throw errorIn(answer, before, clock());
    if (answer.content.length > limit) throw new Malformed("answer-too-long");
    try {
      return read(answer.content);
    } catch (error) {
      throw error instanceof Malformed ? unreadable(answer, error) : error;
    }
  }
}

/** Finds out what became of a submission, from every answer about it. */
class Inquiry {
  private word: Word | null = null;
  private left = RECEIPT_ATTEMPTS;
  /** The last error that came instead of a state. */
  error: Fault | null = null;
  /** The error that answered the submission instead of a state. */
  answered: Fault | null = null;

  constructor(
    private readonly question: () => Promise<Word>,
    private readonly pause: (seconds: number) => Promise<void>,
  ) {}

  get state(): Word["state"] | null {
    return this.word?.state ?? null;
  }

  /** Whether the gateway has said how the session ended. */
  get settled(): boolean {
    return this.state === "DECIDED" || this.state === "FAILED";
  }

  /** Sends the submission. An earlier state, which said that it was not taken, counts no more. */
  async handIn(submission: () => Promise<Word>): Promise<void> {
    this.word = null;
    await this.hear(submission);
    this.answered = this.error;
  }

  /** Asks until the session has ended, is still open, or the attempts are used up. */
  async ask(once = false): Promise<void> {
    let silent = 0;
    while (silent < RECOVERY_ATTEMPTS && this.left > 0) {
      this.left--;
      await this.hear(this.question);
      silent = this.error ? silent + 1 : 0;
      if (!this.error && (once || this.settled || this.state === "OPEN")) return;
      await this.pause(pauseAfter(this.error));
    }
  }

  /** Takes an answer. A recorded decision stays recorded, whatever is said later. */
  private async hear(question: () => Promise<Word>): Promise<void> {
    try {
      const word = await question();
      this.error = null;
      if (this.state !== "RECORDED" || word.state === "DECIDED") this.word = word;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.error = error;
    }
  }

  /** The outcome. Throws `ReceiptPending`, `NoDecision`, `NotTaken` or `OutcomeUnknown`. */
  decided(session: Bytes): Verification {
    if (this.word?.verification) return this.word.verification;
    switch (this.state) {
      case "RECORDED":
        throw new ReceiptPending(session);
      case "FAILED":
        throw new NoDecision(this.answered);
      case "OPEN":
        throw new NotTaken("not-taken");
      case "EVALUATING":
        throw new OutcomeUnknown("being-evaluated");
    }
    if (this.error instanceof NoSuchSession) throw new OutcomeUnknown("session-forgotten");
    throw new OutcomeUnknown("outcome-unknown");
  }
}

function isWorthAsking(error: unknown): error is Fault {
  if (error instanceof NotTheGateway) return true;
  if (error instanceof Unavailable) return error.retryAfter !== null;
  return error instanceof Refused && error.constructor === Refused; // not the clock's
}

/** Seconds before the next attempt: what a busy gateway asks for, or the usual pause. */
const pauseAfter = (error: Fault | null): number =>
  Math.max(RECOVERY_PAUSE_SECONDS, (error instanceof Unavailable && error.retryAfter) || 0);
