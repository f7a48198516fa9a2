// Who signed what: COSE_Sign1 (RFC 9052) with Ed25519, and Ed25519 alone.

const HEADER_ALG = 1, HEADER_KID = 4, HEADER_CWT_CLAIMS = 15, HEADER_TYP = 16, ALG_EDDSA = -8, TAG_SIGN1 = 0xd2;
const CLAIM_ISSUER = 1, CLAIM_SUBJECT = 2;

async function ed25519(publicKey, signature, data) {
  const key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
  return crypto.subtle.verify({ name: "Ed25519" }, key, signature, data);
}

function sign1(encoded) {
  if (encoded[0] !== TAG_SIGN1) throw new Invalid("malformed");
  const parts = Cbor.decode(encoded.subarray(1));
  if (!Array.isArray(parts) || parts.length !== 4) throw new Invalid("malformed");
  const [head, unprotected, payload, signature] = parts;
  if (!(head instanceof Uint8Array && payload instanceof Uint8Array && signature instanceof Uint8Array))
    throw new Invalid("malformed");
  if (!(unprotected instanceof Map) || unprotected.size !== 0)
    throw new Invalid("unsigned-header");
  return { head, payload, signature, headers: Cbor.decode(head), fields: message(payload) };
}

// The object's fields, once one of the pinned keys of the expected party has signed it as `type`,
// with just these CWT claims in its header.
async function verifiedBy(encoded, type, keys, claims = new Map()) {
  const object = sign1(encoded);
  if (object.headers.get(HEADER_TYP) !== `application/vnd.sealmatch.${type}+cbor`)
    throw new Invalid("signature-type");
  if (object.headers.get(HEADER_ALG) !== ALG_EDDSA || object.headers.size !== (claims.size ? 4 : 3))
    throw new Invalid("signature-algorithm");
  const claimed = claims.size ? object.headers.get(HEADER_CWT_CLAIMS) : claims;
  if (!(claimed instanceof Map) || claimed.size !== claims.size || [...claims].some(([k, v]) => claimed.get(k) !== v))
    throw new Invalid("signature-claims");
  const named = object.headers.get(HEADER_KID);
  for (const key of keys.map(unhex)) {
    if (!equal(await sha256(key), named)) continue;
    if (await ed25519(key, object.signature, toBeSigned(object))) return object.fields;
    throw new Invalid("bad-signature");
  }
  throw new Invalid("key-not-pinned");
}

const toBeSigned = ({ head, payload }) =>
  concat(cborHead(4, 4), cborText("Signature1"), cborBytes(head), cborBytes(utf8("")), cborBytes(payload));
