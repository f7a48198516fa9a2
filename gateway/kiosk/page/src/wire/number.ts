/**
 * Document numbers, as an agent names them. The local process reads them by itself; here they are
 * read to be compared with what it says it read (`gateway/wire/number.py`, `documents/mrz.py`).
 */

import { Invalid, normalForm } from "virtual:receipt-checks";

/** What all spellings of one number have in common; null: it is none. */
export function numberTyped(text: string): string | null {
  try {
    return normalForm(text);
  } catch (error) {
    if (error instanceof Invalid) return null;
    throw error;
  }
}

const FILLERS = /[\u00ab\u2039\u3008\u300a\u226a]/g;

/** Where the number stands, and where a long one goes on, by the zone's length (TD2, TD3, TD1). */
const PLACES: Readonly<Record<number, readonly [number, number | null]>> = {
  72: [36, 64],
  88: [44, null],
  90: [5, 15],
};
const NUMBER_LENGTH = 9;

/** The number in a machine-readable zone (ICAO Doc 9303), in its normal form; null: there is none.
 * Check digits are the local process's to check. */
export function numberInZone(zone: string): string | null {
  const folded = zone.normalize("NFKC").toUpperCase().replace(FILLERS, "<");
  const whole = folded.replace(/[^0-9A-Z<]/g, "");
  const places = PLACES[whole.length];
  if (places === undefined) return null;
  const [start, more] = places;
  const end = start + NUMBER_LENGTH;
  const number = whole.slice(start, end);
  const isLong = whole[end] === "<" && more !== null;
  return numberTyped(isLong ? number + whole.slice(more).split("<")[0]!.slice(0, -1) : number);
}
