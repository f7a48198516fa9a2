/**
 * Sealing the probe to the gateway: HPKE (RFC 9180) in base mode with X-Wing (ML-KEM-768 and
 * X25519), HKDF-SHA-256 and AES-256-GCM. `info` names what is sealed, for whom, session, key and
 * the order of lanes, so that nothing opens in another session or another role.
 */

import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

import { type Bytes, concat, utf8 } from "./bytes";

const ENCAPSULATION_BYTES = 1120;
const TAG_BYTES = 16;

/** Bytes by which something sealed is longer. */
export const OVERHEAD = ENCAPSULATION_BYTES + TAG_BYTES;

/** Of a public sealing key: ML-KEM-768 encapsulation key, then X25519. */
export const SEALING_KEY_BYTES = 1184 + 32;

const PROBE_LABEL = "sealmatch/sealed-probe/2/gateway";
const LANE_ORDER = "probe,actions";

/** Seals a probe ciphertext for one session and key. */
export async function sealProbe(
  ciphertext: Bytes,
  gatewayKey: Bytes,
  session: Bytes,
  keyId: Bytes,
): Promise<Bytes> {
  const suite = new CipherSuite({
    kem: new XWing(),
    kdf: new HkdfSha256(),
    aead: new Aes256Gcm(),
  });
  const recipient = await suite.kem.importKey("raw", gatewayKey.slice().buffer, true);
  const info = concat(utf8(`${PROBE_LABEL}\0${LANE_ORDER}\0`), session, keyId);
  const { enc, ct } = await suite.seal({ recipientPublicKey: recipient, info }, ciphertext);
  return concat(new Uint8Array(enc), new Uint8Array(ct));
}
