/** Ed25519 keys of a test: from a seed, as the vectors give them. */

import type { Bytes } from "../../src/wire/bytes";
import { concat, unhex } from "../../src/wire/bytes";
import type { SigningKey } from "../../src/wire/cose";

/** PKCS #8 in front of a seed of 32 bytes (RFC 8410). */
const PKCS8 = unhex("302e020100300506032b657004220420");

export async function keyOfSeed(party: string, seed: Bytes): Promise<SigningKey> {
  const algorithm = { name: "Ed25519" };
  const encoded = concat(PKCS8, seed);
  const key = await crypto.subtle.importKey("pkcs8", encoded, algorithm, true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  return {
    party,
    publicKey: new Uint8Array(Buffer.from(x!, "base64url")),
    sign: async (data) => new Uint8Array(await crypto.subtle.sign(algorithm, key, data)),
  };
}
