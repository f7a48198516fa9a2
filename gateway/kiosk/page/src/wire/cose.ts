/**
 * Signed objects: COSE_Sign1 (RFC 9052, section 4.2) with Ed25519 over a message.
 *
 * The protected header holds the algorithm, the key id (SHA-256 of the raw public key), the type,
 * and the message's CWT claims, if it has any. The unprotected header is empty; nothing else is
 * accepted. A verifier always says whose signature of which type it expects.
 */

import { type Bytes, concat, equal, sha256 } from "./bytes";
import { type Cbor, decode, encode } from "./cbor";
import { Malformed, Refused } from "./errors";
import { type MessageType, SMALL } from "./message";

const HEADER_ALG = 1;
const HEADER_KID = 4;
const HEADER_CWT_CLAIMS = 15;
const HEADER_TYP = 16;
const ALG_EDDSA = -8;
const TAG_SIGN1 = 0xd2;
const SIGNATURE_BYTES = 64;
const ED25519 = { name: "Ed25519" };

/** A party with its pinned keys: one, or two while it rotates its key. Raw, 32 bytes each. */
export interface VerifyKey {
  readonly party: string;
  readonly keys: readonly Bytes[];
}

/** A party's signing key. The private part is never seen here: it may be not extractable. */
export interface SigningKey {
  readonly party: string;
  /** Raw, 32 bytes. */
  readonly publicKey: Bytes;
  sign(data: Bytes): Promise<Bytes>;
}

/** A message together with the signed bytes that carried it. */
export interface Signed<T> {
  readonly message: T;
  readonly encoded: Bytes;
}

/** A signing key of WebCrypto. */
export async function signingKey(party: string, pair: CryptoKeyPair): Promise<SigningKey> {
  return {
    party,
    publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)),
    sign: async (data) =>
      new Uint8Array(await crypto.subtle.sign(ED25519, pair.privateKey, data)),
  };
}

/** The `typ` of a message: `application/vnd.sealmatch.session-grant+cbor`. */
export function mediaType(type: MessageType<unknown>): string {
  const name = type.name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).slice(1);
  return `application/vnd.sealmatch.${name}+cbor`;
}

export async function sign<T>(
  type: MessageType<T>,
  message: T,
  key: SigningKey,
): Promise<Signed<T>> {
  const payload = type.encode(message);
  const head = protectedHeader(type, message, await sha256(key.publicKey));
  const signature = await key.sign(toBeSigned(head, payload));
  const parts = encode([head, new Map(), payload, signature]);
  return { message, encoded: concat(Uint8Array.of(TAG_SIGN1), parts) };
}

/**
 * Checks that a key of this party signed a message of this type, and returns it.
 *
 * Throws `Malformed` for what is no signed message of this type, and `Refused` for another type,
 * another key, or a signature that does not verify.
 */
export async function verify<T>(
  encoded: Bytes,
  type: MessageType<T>,
  key: VerifyKey,
): Promise<Signed<T>> {
  const { head, payload, signature } = split(encoded);
  const message = type.decode(payload);
  for (const raw of key.keys) {
    if (!equal(head, protectedHeader(type, message, await sha256(raw)))) continue;
    const imported = await crypto.subtle.importKey("raw", raw, ED25519, false, ["verify"]);
    const data = toBeSigned(head, payload);
    if (await crypto.subtle.verify(ED25519, imported, signature, data)) return { message, encoded };
    throw new Refused("bad-signature", { party: key.party });
  }
  throw new Refused("not-signed-by", { party: key.party });
}

/** Reads the payload without checking the signature. Throws `Malformed`. */
export const peek = <T>(encoded: Bytes, type: MessageType<T>): T =>
  type.decode(split(encoded).payload);

function protectedHeader<T>(type: MessageType<T>, message: T, keyId: Bytes): Bytes {
  const header = new Map<number, Cbor>([
    [HEADER_ALG, ALG_EDDSA],
    [HEADER_KID, keyId],
    [HEADER_TYP, mediaType(type as MessageType<unknown>)],
  ]);
  const claims = type.claims(message);
  if (claims.size) header.set(HEADER_CWT_CLAIMS, new Map(claims));
  return encode(header);
}

const toBeSigned = (head: Bytes, payload: Bytes): Bytes =>
  encode(["Signature1", head, new Uint8Array(), payload]);

function split(encoded: Bytes): { head: Bytes; payload: Bytes; signature: Bytes } {
  if (encoded.length > SMALL || encoded[0] !== TAG_SIGN1) throw new Malformed("not-signed");
  const parts = decode(encoded.subarray(1));
  if (!Array.isArray(parts) || parts.length !== 4) throw new Malformed("not-signed");
  const [head, unprotected, payload, signature] = parts as Cbor[];
  if (!(unprotected instanceof Map) || unprotected.size) throw new Malformed("not-signed");
  if (!isBytes(head) || !isBytes(payload) || !isBytes(signature)) throw new Malformed("not-signed");
  if (signature.length !== SIGNATURE_BYTES) throw new Malformed("not-signed");
  return { head, payload, signature };
}

const isBytes = (value: Cbor | undefined): value is Bytes => value instanceof Uint8Array;
