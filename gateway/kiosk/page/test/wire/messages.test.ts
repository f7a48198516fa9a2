/** The page's messages are those of the golden vectors, byte for byte, and nothing else. */

import { describe, expect, it } from "vitest";

import { type Bytes, concat, equal, hex, unhex } from "../../src/wire/bytes";
import { decode, encode } from "../../src/wire/cbor";
import { peek, type VerifyKey, sign, verify } from "../../src/wire/cose";
import { Malformed, Misuse, Refused } from "../../src/wire/errors";
import * as issuer from "../../src/wire/issuer";
import * as liveness from "../../src/wire/liveness";
import { type MessageType, SMALL } from "../../src/wire/message";
import * as proof from "../../src/wire/proof";
import * as session from "../../src/wire/session";
import * as submission from "../../src/wire/submission";
import { keyOfSeed } from "./keys";
import { bytesOf, cborOf, isEncoded, names, vector } from "./vectors";

const all = { ...issuer, ...liveness, ...proof, ...session, ...submission };
const types = new Map(
  Object.values(all)
    .filter((one): one is MessageType<any> => typeof one === "object" && "decode" in one)
    .map((type) => [type.name, type]),
);

const known = (folder: string): [string, any][] =>
  names(folder)
    .map((name): [string, any] => [name, vector(`${folder}/${name}`)])
    .filter(([, { message }]) => types.has(message.replace("signed ", "")));

describe("messages", () => {
  const vectors = known("messages");

  it("are all in the vectors", () => {
    const counterAlone = new Set(["TemplateOrder", "TemplateIssued", "ExpectedStatement", "PendingReceipt"]);
    const inVectors = new Set(vectors.map(([, { message }]) => message));
    expect([...types.keys()].filter((name) => !inVectors.has(name))).toEqual([...counterAlone]);
  });

  it.each(vectors)("%s", (_, { message, cases }) => {
    const type = types.get(message)!;
    for (const { value, encoded } of cases) {
      const field = type.field.read(cborOf(value));
      expect(field).toBeDefined();
      const written = type.encode(field);
      if (encoded.$hex === undefined) expect(isEncoded(written, encoded)).toBe(true);
      else expect(hex(written)).toBe(encoded.$hex);
      expect(equal(type.encode(type.decode(written)), written)).toBe(true);
    }
  });
});

describe("malformed", () => {
  it.each(known("malformed"))("%s", (_, { message, faulty, honest }) => {
    const type = types.get(message.replace("signed ", ""))!;
    const read = message.startsWith("signed ")
      ? (bytes: any) => peek(bytes, type)
      : (bytes: any) => type.decode(bytes);
    expect(() => read(faultyBytes(faulty))).toThrow(Malformed);
    if (honest) expect(() => read(bytesOf(honest))).not.toThrow();
  });
});

function faultyBytes(faulty: any) {
  const start = bytesOf(faulty);
  const whole = new Uint8Array(start.length + (faulty.thenZeros ?? 0));
  whole.set(start);
  return whole;
}

describe("signed objects", () => {
  const vectors = known("signed").map(([name, one]): [string, any] => [name, one]);

  it.each(vectors)("%s", async (_, { message, key, payload, encoded }) => {
    const type = types.get(message)!;
    const pinned: VerifyKey = { party: key.party, keys: [unhex(key.publicKey)] };
    const signed = await verify(unhex(encoded), type, pinned);
    expect(type.encode(signed.message)).toEqual(unhex(payload));
    const again = await sign(type, signed.message, await keyOfSeed(key.party, unhex(key.seed)));
    expect(again.encoded).toEqual(unhex(encoded));
  });

  it("count for one key, one type and one content", async () => {
    const { key, encoded } = vector("signed/session-grant.json");
    const grant = unhex(encoded);
    const pinned: VerifyKey = { party: key.party, keys: [unhex(key.publicKey)] };
    const other = vector("signed/decision.json");
    const altered = grant.slice();
    altered[altered.length - 1]! ^= 1;
    await expect(verify(altered, session.SessionGrant, pinned)).rejects.toThrow(Refused);
    const strangers = { party: key.party, keys: [unhex("00".repeat(31) + "01")] };
    await expect(verify(grant, session.SessionGrant, strangers)).rejects.toThrow(Refused);
    await expect(verify(unhex(other.encoded), session.SessionGrant, pinned)).rejects.toThrow(
      Malformed,
    );
    const rotating = { ...pinned, keys: [...strangers.keys, ...pinned.keys] };
    await expect(verify(grant, session.SessionGrant, rotating)).resolves.toBeDefined();
  });
});

it("reads no key that would reach an object's prototype", () => {
  const map = unhex("a1695f5f70726f746f5f5fa0"); // {"__proto__": {}}
  expect(decode(map)).toEqual(new Map([["__proto__", new Map()]]));
  expect(() => session.SessionRequest.decode(map)).toThrow(Malformed);
});

it.each([
  ["a float", "f93e00"],
  ["2^53", "1b0020000000000000"],
  ["infinity", "f97c00"],
  ["undefined", "f7"],
  ["a bignum", "c2411f"],
  ["nine levels", "81".repeat(9) + "80"],
  ["a hundred thousand levels", "81".repeat(100_000)],
  ["keys of two kinds", "a20000616100"],
  ["a negative key", "a12000"],
  ["nothing", ""],
])("reads no %s", (_, bytes) => {
  expect(() => decode(unhex(bytes))).toThrow(Malformed);
});

it("reads eight levels, and integers up to 2^53 - 1", () => {
  expect(decode(unhex("81".repeat(8) + "80"))).toBeDefined();
  expect(decode(unhex("1b001fffffffffffff"))).toBe(Number.MAX_SAFE_INTEGER);
});

it("counts characters, not their halves", () => {
  const { encoded } = vector("messages/opening.json").cases[0];
  const opening = proof.Opening.decode(bytesOf(encoded));
  const named = (characters: number) =>
    proof.Opening.encode({ ...opening, activationReference: "\u{1f4f1}".repeat(characters) });
  expect(proof.Opening.decode(named(128)).activationReference).toHaveLength(256);
  expect(() => named(129)).toThrow(Misuse);
});

it("looks into nothing that is longer than it can be", () => {
  const { encoded } = vector("signed/session-grant.json");
  const parts = decode(unhex(encoded).subarray(1)) as Bytes[];
  const padded = encode([new Uint8Array(SMALL), ...parts.slice(1)]);
  const long = concat(Uint8Array.of(0xd2), padded);
  expect(() => peek(long, session.SessionGrant)).toThrow(Malformed);
  const error = () => proof.Opening.decode(new Uint8Array(SMALL + 1));
  expect(error).toThrow("too-long");
});
