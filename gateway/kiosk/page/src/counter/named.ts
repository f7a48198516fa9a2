/**
 * Did the local process read the document that the agent named? What was typed, or stood in the
 * machine-readable zone, is compared with what the process says it read. A number that is left to
 * the chip is the agent's to compare.
 */

import { SaysOtherwise } from "../client/agreement";
import type { ReadDocument } from "../kiosk/local";
import type { Case, NamedDocument } from "../screens/ports";
import { numberInZone, numberTyped } from "../wire/number";

/** A document that was read, and the guardian whom the agent named. */
export interface OwnDocument extends ReadDocument {
  /** In its normal form; null: nobody agrees in the person's place. */
  readonly guardianNumber: string | null;
}

export const withGuardian = (named: Case, read: ReadDocument): OwnDocument => ({
  ...read,
  guardianNumber: named.guardian && numberOf(named.guardian),
});

/** Throws `SaysOtherwise` unless it is the document that was named, with the guardian if any. */
export function requireNamed(named: Case, read: OwnDocument): void {
  const { kind } = named.document;
  const holds = {
    number: "chip" in named.document || numberOf(named.document) === read.number,
    kind: kind === null || kind === read.kind,
    minor: read.minor || !named.minor,
    guardian: read.guardian === (named.guardian !== null),
    guardianNumber: read.guardianNumber !== null || named.guardian === null,
  };
  for (const [field, isSo] of Object.entries(holds)) {
    if (!isSo) throw new SaysOtherwise("reader", field);
  }
}

function numberOf(named: NamedDocument): string | null {
  if ("chip" in named) return null;
  return "number" in named ? numberTyped(named.number) : numberInZone(named.zone);
}
