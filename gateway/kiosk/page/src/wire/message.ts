/**
 * Messages: strict, bounded, versioned, each with exactly one encoding.
 *
 * A message is a CBOR map with camelCase text keys. Decoding checks the length first, then the
 * encoding, then every field. Unknown and missing keys are refused. A type of message is made of
 * its fields, and the TypeScript type of its values follows from them (`Of<typeof ...>`).
 */

import { type Bytes, sha256 } from "./bytes";
import { type Cbor, decode as decodeCbor, encode as encodeCbor } from "./cbor";
import { Malformed, Misuse } from "./errors";

/** Bound in bytes for messages that carry no ciphertext. */
export const SMALL = 16 * 1024;

/** One field: `read` gives its value, or undefined where the given one is none. */
export interface Field<T> {
  read(value: Cbor | undefined): T | undefined;
  write(value: T): Cbor;
}

type Fields = Readonly<Record<string, Field<unknown>>>;
type Values<F> = { readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** The values of a type of message. */
export type Of<M> = M extends MessageType<infer T> ? T : never;

export interface MessageType<T> {
  readonly name: string;
  readonly maxBytes: number;
  /** CWT claims in the header when this message is signed; they follow from its fields. */
  claims(value: T): ReadonlyMap<number, string>;
  encode(value: T): Bytes;
  /** Throws `Malformed` for anything but the one valid encoding of a valid message. */
  decode(data: Uint8Array): T;
  /** As a field of another message. */
  readonly field: Field<T>;
}

interface Rules<T> {
  maxBytes?: number;
  /** What must hold between fields. */
  holds?(value: T): boolean;
  claims?(value: T): ReadonlyMap<number, string>;
}

export function message<F extends Fields>(
  name: string,
  fields: F,
  rules: Rules<Values<F>> = {},
): MessageType<Values<F>> {
  type T = Values<F>;
  const entries = Object.entries(fields) as [keyof F & string, Field<unknown>][];
  const maxBytes = rules.maxBytes ?? SMALL;

  function read(map: Cbor | undefined): T | undefined {
    if (!(map instanceof Map) || map.get("version") !== 1) return undefined;
    if (map.size !== entries.length + 1) return undefined;
    const found: Partial<Record<keyof F, unknown>> = {};
    for (const [key, field] of entries) {
      const value = map.has(key) ? field.read(map.get(key)) : undefined;
      if (value === undefined) return undefined;
      found[key] = value;
    }
    const whole = found as T;
    return rules.holds && !rules.holds(whole) ? undefined : whole;
  }

  function write(value: T): Cbor {
    const map = new Map<string | number, Cbor>([["version", 1]]);
    for (const [key, field] of entries) map.set(key, field.write(value[key]));
    if (read(map) === undefined) throw new Misuse("not-valid", { message: name });
    return map;
  }

  return {
    name,
    maxBytes,
    claims: rules.claims ?? (() => new Map()),
    encode: (value) => encodeCbor(write(value)),
    decode(data) {
      if (data.length > maxBytes) throw new Malformed("too-long", { message: name });
      const value = read(decodeCbor(data));
      if (value === undefined) throw new Malformed("not-valid", { message: name });
      return value;
    },
    field: { read, write },
  };
}

/** SHA-256 of a message's encoding. */
export const digestOf = <T>(type: MessageType<T>, value: T): Promise<Bytes> =>
  sha256(type.encode(value));

const plain = <T extends Cbor>(isOne: (value: Cbor) => boolean): Field<T> => ({
  read: (value) => (value !== undefined && isOne(value) ? (value as T) : undefined),
  write: (value) => value,
});

export const bytes = (least: number, most = least): Field<Bytes> =>
  plain((value) => value instanceof Uint8Array && least <= value.length && value.length <= most);

/** Text of at most so many characters, each counted once. */
export const text = (pattern: RegExp, most: number): Field<string> =>
  plain(
    (value) => typeof value === "string" && pattern.test(value) && Array.from(value).length <= most,
  );

/** An integer in [least, most]. */
export const integer = (least: number, most: number): Field<number> =>
  plain((value) => typeof value === "number" && least <= value && value <= most);

export const flag: Field<boolean> = plain((value) => typeof value === "boolean");

export const oneOf = <const T extends string>(...known: readonly T[]): Field<T> =>
  plain((value) => (known as readonly Cbor[]).includes(value));

export const nullable = <T>(field: Field<T>): Field<T | null> => ({
  read: (value) => (value === null ? null : field.read(value)),
  write: (value) => (value === null ? null : field.write(value)),
});

export const list = <T>(field: Field<T>, most: number, least = 0): Field<readonly T[]> => ({
  read(value) {
    if (!Array.isArray(value) || value.length < least || value.length > most) return undefined;
    const items = (value as readonly Cbor[]).map((one) => field.read(one));
    return items.includes(undefined) ? undefined : (items as T[]);
  },
  write: (value) => value.map((one) => field.write(one)),
});

/** Whether no value stands twice. */
export const distinct = (values: readonly string[]): boolean =>
  new Set(values).size === values.length;
