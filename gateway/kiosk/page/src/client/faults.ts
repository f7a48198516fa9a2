/**
 * How a registration can end without a checked receipt. Each has a code that languages have words
 * for; what matters to the person is the class.
 *
 *     Refused              a check of this page, or the gateway, refuses; nothing was decided
 *       ClockDiffers       ... and this machine's clock explains it
 *     Unavailable          worth starting again; nothing was decided
 *       NoAnswer           nothing came back from the gateway
 *         NotTheGateway    something on the way answered in its place
 *         OutcomeUnknown   a submission was sent, and nobody says what became of it
 *           NotTaken       the gateway has not taken it, and still can for a while
 *       ReceiptPending     an outcome is recorded; its receipt comes later
 *     NoDecision           the gateway says that the session ended without a decision
 *     GatewayError         any other error of the gateway's
 *     LivenessNotPossible  too few kinds of action are left to ask for
 */

import type { Bytes } from "../wire/bytes";
import { Fault, Refused, Unavailable } from "../wire/errors";

export class ClockDiffers extends Refused {}

export class NoAnswer extends Unavailable {}

export class NotTheGateway extends NoAnswer {}

export class OutcomeUnknown extends NoAnswer {}

export class NotTaken extends OutcomeUnknown {}

export class ReceiptPending extends Unavailable {
  constructor(readonly session: Bytes) {
    super("receipt-pending");
  }
}

/** The session ended without a decision; `code` is that of the answer to the submission. */
export class NoDecision extends Fault {
  constructor(readonly because: Fault | null) {
    super(because?.code ?? "no-decision", because?.values ?? {});
  }
}

export class GatewayError extends Fault {}

export class NoSuchSession extends GatewayError {}

export class LivenessNotPossible extends Fault {}
