/**
 * Signed requests: RFC 9421 signatures over RFC 9530 content digests, in the one form in which our
 * own parties sign (`gateway/wire/request_form.py`).
 *
 * The host is that of the gateway, as its operator publishes it: a request that passes through a
 * forwarder is still signed for the gateway alone.
 */

import { type Bytes, hex, randomBytes, sha256, toBase64, utf8 } from "./bytes";
import type { SigningKey } from "./cose";
import { Misuse } from "./errors";

/** Seconds by which a request's creation time may differ from the receiver's clock. */
export const WINDOW = 60;

const LABEL = "sealmatch";
const COMPONENTS = ["@method", "@authority", "@path", "content-digest"];
const COVERED = `(${COMPONENTS.map((name) => `"${name}"`).join(" ")})`;
const PATH = /^\/[!-"$->@-~]*$/;

export type SignatureHeaders = Readonly<
  Record<"Content-Digest" | "Signature-Input" | "Signature", string>
>;

/**
 * Signs a request.
 *
 * @param host the server that it is meant for: `hostOf` its URL.
 * @param created seconds since 1970.
 * @param nonce 32 bytes that serve once.
 */
export async function signRequest(
  method: string,
  host: string,
  path: string,
  body: Bytes,
  key: SigningKey,
  created: number,
  nonce: Bytes = randomBytes(32),
): Promise<SignatureHeaders> {
  if (!PATH.test(path)) throw new Misuse("not-a-path");
  const digest = `sha-256=:${toBase64(await sha256(body))}:`;
  const parameters =
    `${COVERED};created=${created};keyid="${hex(await sha256(key.publicKey))}";alg="ed25519";` +
    `nonce="${hex(nonce)}";tag="${LABEL}"`;
  const values = [method, host, path, digest];
  const lines = COMPONENTS.map((name, i) => `"${name}": ${values[i]}`);
  const base = [...lines, `"@signature-params": ${parameters}`].join("\n");
  return {
    "Content-Digest": digest,
    "Signature-Input": `${LABEL}=${parameters}`,
    Signature: `${LABEL}=:${toBase64(await key.sign(utf8(base)))}:`,
  };
}

const HOST = /^(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::[0-9]+)?$/;

/**
 * Host and port of a server's URL, in lower case and without the default port of its scheme
 * (RFC 9421, section 2.2.3). Throws `Misuse` for anything but the URL of an HTTP server in ASCII.
 */
export function hostOf(url: string): string {
  const ascii = /^https?:\/\/[\x21-\x7e]+$/i.test(url);
  const host = ascii && URL.canParse(url) ? new URL(url).host : "";
  if (!HOST.test(host)) throw new Misuse("not-a-server");
  return host;
}
