/** The session's key: only what the pinned authority granted for this very session is used. */

import { beforeAll, expect, it } from "vitest";

import { type Bytes, hex, sha256, unhex } from "../../src/wire/bytes";
import { sign, type SigningKey, verify } from "../../src/wire/cose";
import { Malformed, Refused } from "../../src/wire/errors";
import { requireCiphertext, requireKeyHalf } from "../../src/wire/polynomials";
import { KEY_PRIMES, N, PROFILE } from "../../src/wire/profile";
import { SessionGrant } from "../../src/wire/session";
import { type ExpectedSession, verifySessionKey } from "../../src/wire/session-key";
import { seedOf } from "../../src/wire/uniform";
import { keyOfSeed } from "./keys";
import { bytesOf, shake, vector } from "./vectors";

const uniform = vector("uniform.json");
const signed = vector("signed/session-grant.json");
const half = bytesOf(vector("polynomials.json").sessionKeyHalf);

it("takes the seed of a from session and nonces", () => {
  const [session, client, gateway] = ["session", "clientNonce", "gatewayNonce"].map((name) =>
    unhex(uniform[name]),
  ) as [Bytes, Bytes, Bytes];
  expect(hex(seedOf(session, client, gateway))).toBe(uniform.seed);
  expect(uniform.primes.map((one: any) => BigInt(one.prime))).toEqual(KEY_PRIMES);
});

let authority: SigningKey;
let expected: ExpectedSession;
let grant: SessionGrant;

beforeAll(async () => {
  authority = await keyOfSeed(signed.key.party, unhex(signed.key.seed));
  const pinned = { party: authority.party, keys: [authority.publicKey] };
  grant = (await verify(unhex(signed.encoded), SessionGrant, pinned)).message;
  const { gateway, device, issuer, clientNonce } = grant;
  expected = { authority: pinned, gateway, device, issuer, clientNonce };
});

const now = (): number => grant.expiresAt - 300;

it("takes the golden grant, and no other authority's", async () => {
  const key = await verifySessionKey(unhex(signed.encoded), half, expected, now());
  expect(hex(key.aSeed)).toBe(uniform.seed);
  const stranger = await keyOfSeed(authority.party, shake("stranger", 32));
  const forged = await sign(SessionGrant, grant, stranger);
  await expect(verifySessionKey(forged.encoded, half, expected, now())).rejects.toThrow(Refused);
});

it.each([
  ["profile", { profile: `${PROFILE}0` }],
  ["authority", { authority: "another" }],
  ["gateway", { gateway: "another" }],
  ["device", { device: "another" }],
  ["issuer", { issuer: "another" }],
  ["nonce", { clientNonce: shake("another", 32) }],
  ["key", { keyId: shake("another", 32) }],
  ["key", { session: shake("another", 16) }],
  ["key", { gatewayNonce: shake("another", 32) }],
])("refuses a signed grant of another %s", async (what, changes) => {
  const other = await sign(SessionGrant, { ...grant, ...changes }, authority);
  const refused = verifySessionKey(other.encoded, half, expected, now());
  await expect(refused).rejects.toMatchObject({ code: "session-key", values: { what } });
});

it.each([
  [60, 59],
  [-15 * 60 - 61, -15 * 60 - 60],
])("refuses a grant %d seconds after its expiry, and not after %d", async (refused, taken) => {
  const after = (seconds: number) =>
    verifySessionKey(unhex(signed.encoded), half, expected, grant.expiresAt + seconds);
  await expect(after(refused)).rejects.toMatchObject({ values: { what: "expiry" } });
  await expect(after(taken)).resolves.toBeDefined();
});

it("refuses a granted key that is no canonical encoding", async () => {
  const bad = withWord(half, 0, KEY_PRIMES[0]);
  const keyId = await sha256(unhex(uniform.seed), bad);
  const granted = await sign(SessionGrant, { ...grant, keyId }, authority);
  const verified = verifySessionKey(granted.encoded, bad, expected, now());
  await expect(verified).rejects.toThrow(Malformed);
});

it("reads residues below their primes alone", () => {
  const fresh = bytesOf(vector("polynomials.json").freshCiphertext);
  expect(() => requireCiphertext(fresh)).not.toThrow();
  expect(() => requireCiphertext(half)).toThrow(Malformed);
  for (const [word, prime] of [
    [0, KEY_PRIMES[0]],
    [N - 1, KEY_PRIMES[0]],
    [4 * N - 1, KEY_PRIMES[3]],
  ] as const) {
    expect(() => requireKeyHalf(withWord(half, word, prime - 1n))).not.toThrow();
    expect(() => requireKeyHalf(withWord(half, word, prime))).toThrow(Malformed);
    expect(() => requireKeyHalf(withWord(half, word, prime + (1n << 32n)))).toThrow(Malformed);
  }
  const zero = new Uint8Array(half.length);
  zero.set([1, 1]);
  expect(() => requireKeyHalf(zero)).toThrow(Malformed);
  expect(() => requireKeyHalf(half.subarray(0, -1))).toThrow(Malformed);
});

function withWord(encoded: Bytes, index: number, value: bigint): Bytes {
  const copy = encoded.slice();
  const little = Array.from({ length: 7 }, (_, i) => Number((value >> BigInt(8 * i)) & 255n));
  copy.set(little, 2 + 7 * index);
  return copy;
}
