/**
 * Deterministic CBOR (RFC 8949, section 4.2): one value, one encoding.
 *
 * The library reads more than that. So what was read is written again and must give the same bytes:
 * heads that are not the shortest, keys out of order, text that is not UTF-8 and floats all differ.
 * Maps are read as `Map`, so no key can reach an object's prototype.
 */

import { decode as read, encode as write, rfc8949EncodeOptions } from "cborg";

import { type Bytes, equal } from "./bytes";
import { Malformed, Misuse } from "./errors";

export type CborMap = Map<string | number, Cbor>;
export type Cbor = number | string | boolean | null | Bytes | readonly Cbor[] | CborMap;

/** Nesting that our deepest message needs, with room. */
const MAX_DEPTH = 8;

const READING = {
  strict: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
  useMaps: true,
  rejectDuplicateMapKeys: true,
} as const;

/** Encodes maps, lists, bytes, text, integers, booleans and null. Throws `Misuse` for the rest. */
export function encode(value: Cbor): Bytes {
  if (!belongs(value, 0)) throw new Misuse("not-encodable");
  return new Uint8Array(write(value, rfc8949EncodeOptions));
}

/** Decodes the one valid encoding of a value. Throws `Malformed` for anything else. */
export function decode(data: Uint8Array): Cbor {
  let value: unknown;
  try {
    value = read(data, READING);
  } catch {
    throw new Malformed("not-deterministic-cbor");
  }
  if (!belongs(value, 0) || !equal(new Uint8Array(write(value, rfc8949EncodeOptions)), data)) {
    throw new Malformed("not-deterministic-cbor");
  }
  return value;
}

/** Whether a value consists of our types alone, and is not nested too deeply. */
function belongs(value: unknown, depth: number): value is Cbor {
  if (depth > MAX_DEPTH) return false;
  if (value instanceof Map) {
    const kinds = new Set([...value.keys()].map((key) => typeof key));
    const keys = [...value.keys()].every((key) => typeof key === "string" || isUnsigned(key));
    return kinds.size <= 1 && keys && [...value.values()].every((one) => belongs(one, depth + 1));
  }
  if (Array.isArray(value)) return value.every((one) => belongs(one, depth + 1));
  if (typeof value === "number") return Number.isSafeInteger(value);
  return (
    value === null ||
    typeof value === "string" ||
    typeof value === "boolean" ||
    value instanceof Uint8Array
  );
}

const isUnsigned = (key: unknown): boolean => Number.isSafeInteger(key) && Number(key) >= 0;
