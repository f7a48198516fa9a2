/** Types of the checks in `gateway/proofs/page`, which are written without. */

declare module "virtual:receipt-checks" {
  /** A check that failed: a code, for which the page's texts have words. */
  export class Invalid extends Error {
    readonly code: string;
    readonly values: Record<string, string | number>;
  }

  /** What a check found: words for a code, or a text as it is. */
  export interface Finding {
    readonly state: "done" | "not-performed" | "not-checked";
    readonly code?: string;
    readonly values?: Record<string, string | number>;
    readonly text?: string;
  }

  type Fields = Map<string, unknown>;

  /** Throws `{ step, code, values }` at the first check that fails. */
  export function verifyReceipt(
    encoded: Uint8Array,
    pins: unknown,
    numbers: Readonly<Record<string, number>>,
    done: (step: number, finding: Finding) => void,
  ): Promise<{
    statement: Fields;
    decision?: Fields;
    logged: { index: number; size: number; origin: string } | null;
    witnesses: Finding;
    audit?: Finding;
    policy?: Finding;
  }>;

  /** Throws `Invalid`. */
  export function readOpening(encoded: Uint8Array): Fields;

  /** Throws `Invalid` unless the receipt's commitment opens to this document. */
  export function checkSubject(
    statement: Fields,
    opening: Fields,
    documentType: string,
    number: string,
  ): Promise<void>;

  /** What all spellings of a document number have in common. Throws `Invalid`. */
  export function normalForm(written: string): string;

  /** Without blanks at its ends, as Python's `str.strip` takes them off. */
  export function trimmed(text: string): string;

  /** Throws `Invalid` unless the receipt's commitment opens to the opening's activation. */
  export function checkActivation(statement: Fields, opening: Fields): Promise<void>;
}
