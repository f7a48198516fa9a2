/** How what went wrong below is told by the screens. */

import {
  GatewayError,
  LivenessNotPossible,
  NoDecision,
  NotTaken,
  OutcomeUnknown,
  ReceiptPending,
} from "../client/faults";
import { SaysOtherwise } from "../client/agreement";
import { KioskProblem } from "../kiosk/local";
import { Inconclusive } from "../liveness/capture";
import { Ended, type Ending } from "../screens/ports";
import { Fault, Refused, Unavailable } from "../wire/errors";
import { ReceiptInvalid } from "../wire/receipt";

/** An error as an ending; an aborted call, and what is one already, as it is. */
export function endingOf(error: unknown, reference?: string): unknown {
  if (error instanceof Ended || isAborted(error)) return error;
  const more = reference === undefined ? {} : { reference };
  if (error instanceof Inconclusive) {
    const { why, exclude } = error.advice;
    return new Ended("inconclusive", why, { ...more, ...(exclude === null ? {} : { exclude }) });
  }
  if (error instanceof KioskProblem) {
    const { code, message: detail } = error;
    return new Ended(ofProcess(error), error.advice, { ...more, code, detail });
  }
  if (error instanceof Fault) {
    const { code, values } = because(error);
    const advice = code === "challenge-says-otherwise" ? "advice-exclusions-ignored" : null;
    return new Ended(ofFault(error), advice, { ...more, code, values, detail: said(error) });
  }
  return new Ended("failed", null, more);
}

const isAborted = (error: unknown): boolean =>
  error instanceof DOMException && error.name === "AbortError";

function ofProcess({ code }: KioskProblem): Ending {
  if (code === "KIOSK.REFUSED" || code === "PERMISSION_DENIED") return "refused";
  return code === "KIOSK.UNAVAILABLE" ? "unavailable" : "failed";
}

/** Of a decision that somebody made, and no receipt shows. */
const isUnproven = (error: Fault): boolean =>
  error instanceof ReceiptInvalid ||
  error.code === "another-submission" ||
  (error instanceof SaysOtherwise && (error.said === "statement" || error.said === "decision"));

function ofFault(error: Fault): Ending {
  if (isUnproven(error)) return "unproven";
  if (error instanceof ReceiptPending) return "recorded";
  if (error instanceof OutcomeUnknown || error instanceof NotTaken) return "unknown";
  if (error instanceof LivenessNotPossible) return "not-possible";
  if (error instanceof NoDecision) return error.because === null ? "unavailable" : ofFault(error.because);
  if (error instanceof Unavailable) return "unavailable";
  if (error instanceof Refused || error instanceof GatewayError) return "refused";
  return "failed";
}

/** What is behind an end without a decision. */
const because = (error: Fault): Fault =>
  error instanceof NoDecision && error.because !== null ? error.because : error;

/** For the agent: a code that the manual explains, the field that differs, and the step. No text of
 * anybody else's. */
function said(error: Fault): string {
  const code = error instanceof SaysOtherwise ? `${error.code}: ${error.field}` : error.code;
  return error.step === null ? code : `${code} (${error.step})`;
}
