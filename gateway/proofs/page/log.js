// The log's proof: C2SP tlog-proof, tlog-checkpoint and tlog-cosignature over a tree of RFC 6962.

const KIND_ED25519 = 1, KIND_COSIGNATURE = 4;
const MAX_PATH = 63, KEY_ID_BYTES = 4, TIME_BYTES = 8;
const MAX_SIGNATURES = 32, MAX_EXTENSIONS = 16, MAX_EXTRA_BYTES = 16 * 1024;

function decimal(written) {
  if (!/^(0|[1-9][0-9]{0,15})$/.test(written) || !Number.isSafeInteger(Number(written)))
    throw new Invalid("malformed-proof");
  return Number(written);
}

function hash(encoded) {
  const bytes = fromBase64(encoded);
  if (bytes.length !== 32) throw new Invalid("malformed-proof");
  return bytes;
}

function parseProof(bytes) {
  const whole = text(bytes);
  const cut = whole.indexOf("\n\n");
  if (cut < 0) throw new Invalid("malformed-proof");
  const lines = whole.slice(0, cut).split("\n");
  if (lines.shift() !== "c2sp.org/tlog-proof@v1") throw new Invalid("malformed-proof");
  if (lines.length && lines[0].startsWith("extra ")) {
    const { length } = fromBase64(lines.shift().slice("extra ".length));
    if (length < 1 || length > MAX_EXTRA_BYTES) throw new Invalid("malformed-proof");
  }
  if (!lines.length || !lines[0].startsWith("index ")) throw new Invalid("malformed-proof");
  const index = decimal(lines.shift().slice("index ".length));
  if (lines.length > MAX_PATH) throw new Invalid("malformed-proof");
  return { index, path: lines.map(hash), checkpoint: parseCheckpoint(whole.slice(cut + 2)) };
}

function parseCheckpoint(note) {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) throw new Invalid("malformed-proof");
  const body = note.slice(0, cut + 1);
  const [origin, size, root, ...extensions] = body.slice(0, -1).split("\n");
  if (root === undefined || extensions.length > MAX_EXTENSIONS || extensions.some((line) => !line)) throw new Invalid("malformed-proof");
  const signatures = note.slice(cut + 2, -1).split("\n").map(parseSignature);
  if (signatures.length > MAX_SIGNATURES) throw new Invalid("malformed-proof");
  return { body, origin, size: decimal(size), root: hash(root), signatures };
}

function parseSignature(line) {
  const found = /^\u2014 (\S+) (\S+)$/.exec(line);
  if (!found) throw new Invalid("malformed-proof");
  const data = fromBase64(found[2]);
  if (data.length <= KEY_ID_BYTES) throw new Invalid("malformed-proof");
  return { name: found[1], keyId: hex(data.subarray(0, KEY_ID_BYTES)), signature: data.subarray(KEY_ID_BYTES) };
}

// True if the key signed, false if it did not; what claims to be its signature must verify.
async function signedBy(checkpoint, key) {
  const lines = checkpoint.signatures.filter((s) => s.name === key.name && s.keyId === key.keyId);
  if (key.kind !== KIND_ED25519 && key.kind !== KIND_COSIGNATURE) return false; // no such algorithm here
  for (const { signature } of lines) {
    const stamped = key.kind === KIND_COSIGNATURE;
    const signed = stamped ? signature.subarray(TIME_BYTES) : signature;
    const data = stamped ? cosigned(checkpoint, signature.subarray(0, TIME_BYTES)) : utf8(checkpoint.body);
    if (data === null || signed.length !== 64 || !(await ed25519(unhex(key.public), signed, data)))
      throw new Invalid("bad-signature-of", { name: key.name });
  }
  return lines.length > 0;
}

// What a witness signs; null for a time that none can have.
function cosigned(checkpoint, time) {
  const seconds = time.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  if (seconds <= 0n || seconds >= 2n ** 63n) return null;
  return utf8(`cosignature/v1\ntime ${seconds}\n${checkpoint.body}`);
}

async function rootOf(entry, index, size, path) {
  if (!(index < size)) throw new Invalid("no-such-entry");
  let node = BigInt(index), last = BigInt(size) - 1n;
  let computed = await sha256(Uint8Array.of(0), entry);
  for (const sibling of path) {
    if (last === 0n) throw new Invalid("proof-length");
    if (node & 1n || node === last) {
      computed = await sha256(Uint8Array.of(1), sibling, computed);
      while (!(node & 1n) && node) [node, last] = [node >> 1n, last >> 1n];
    } else {
      computed = await sha256(Uint8Array.of(1), computed, sibling);
    }
    [node, last] = [node >> 1n, last >> 1n];
  }
  if (last) throw new Invalid("proof-length");
  return computed;
}

// The names of the witnesses that cosigned and of the groups that hold, in the policy's order.
async function met(policy, checkpoint) {
  const names = new Set(["none"]);
  for (const witness of policy.witnesses)
    if (await signedBy(checkpoint, witness.key)) names.add(witness.name);
  for (const group of policy.groups)
    if (group.members.filter((member) => names.has(member)).length >= group.threshold) names.add(group.name);
  return names;
}

async function checkSigned(checkpoint, policy) {
  const keys = policy.logs.filter((key) => key.name === checkpoint.origin);
  if (!keys.length) throw new Invalid("log-not-pinned");
  const signed = [];
  for (const key of keys) signed.push(await signedBy(checkpoint, key));
  if (!signed.includes(true)) throw new Invalid("log-did-not-sign");
}

// The names of the witnesses that cosigned: each once, however often it did.
async function checkQuorum(checkpoint, policy) {
  const names = await met(policy, checkpoint);
  if (!names.has(policy.quorum)) throw new Invalid("too-few-witnesses");
  return policy.witnesses.map(({ name }) => name).filter((name) => names.has(name));
}
