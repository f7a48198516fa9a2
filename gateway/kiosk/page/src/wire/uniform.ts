/**
 * The seed of a, the half of a session's public key that nobody chooses (protocol, section 3.3):
 * SHAKE-256("sealmatch/a/2" || 0x00 || profile || 0x00 || session || client nonce ||
 * gateway nonce), 32 bytes. The key's id rests on it. Its words are expanded where they are used (`src/he`).
 */

import { shake256 } from "@hpke/common";

import { type Bytes, concat, utf8 } from "./bytes";
import { PROFILE } from "./profile";

export const seedOf = (session: Bytes, clientNonce: Bytes, gatewayNonce: Bytes): Bytes =>
  new Uint8Array(
    shake256(concat(utf8(`sealmatch/a/2\0${PROFILE}\0`), session, clientNonce, gatewayNonce), {
      dkLen: 32,
    }),
  );
