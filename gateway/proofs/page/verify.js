// The checks of a receipt, by the names that the command gives them; `numbers` are the command's.

const AGREE = ["profile", "session", "gateway", "authority", "device", "issuer", "policyDigest"];
const OUTCOMES = new Map([["MATCH", "match"], ["NO_MATCH", "no-match"]]);
const LANES = 2;
const MAX_BYTES = 256 * 1024;

// What a check found: words for a code, or a text as it is. What did not take place, and what could
// not be checked here, has a state of its own: neither is a check that was passed.
const DONE = "done", NOT_PERFORMED = "not-performed", NOT_CHECKED = "not-checked";
const found = (code, values = {}, state = DONE) => ({ state, code, values });
const plainly = (text) => ({ state: DONE, text });

const same = (a, b) => (a instanceof Uint8Array ? b instanceof Uint8Array && equal(a, b) : a === b);

function pinned(parties, name) {
  const keys = parties.filter((one) => one.party === name).map((one) => one.publicKey);
  if (!keys.length) throw new Invalid("not-pinned");
  return keys;
}

const claimsOf = (stated) =>
  new Map([[CLAIM_ISSUER, stated.get("gateway")], [CLAIM_SUBJECT, hex(stated.get("recordId"))]]);

// Calls done(number, finding) for each check that passes; throws { step, code, values } at the first
// that fails.
async function verifyReceipt(bytes, trust, numbers, done) {
  let step = 0;
  const check = async (name, run) => {
    step = numbers[name];
    const [finding, value] = await run();
    done(step, finding);
    return value;
  };
  try {
    return await allChecks(bytes, trust, check);
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    throw { step, code: error.code, values: error.values };
  }
}

async function allChecks(bytes, trust, check) {
  const { receipt, stated } = await check("receipt is well-formed", async () => {
    if (bytes.length > MAX_BYTES) throw new Invalid("too-long");
    const receipt = message(bytes);
    if (!(receipt.get("statement") instanceof Uint8Array)) throw new Invalid("not-a-receipt");
    const stated = sign1(receipt.get("statement")).fields;
    if (!(stated.get("recordId") instanceof Uint8Array)) throw new Invalid("not-a-receipt");
    if (!isFallback(bytes) && (stated.get("policyAssurance") === SIGNED) !== (stated.get("policyApproval") instanceof Uint8Array))
      throw new Invalid("malformed");
    return [plainly(hex(stated.get("recordId"))), { receipt, stated }];
  });
  if (isFallback(bytes)) return allFallbackChecks(receipt, stated, trust, check);
  const statement = await check("statement is signed by the pinned gateway", async () => {
    const keys = pinned(trust.gateways, stated.get("gateway"));
    const fields = await verifiedBy(receipt.get("statement"), "statement", keys, claimsOf(stated));
    return [plainly(stated.get("gateway")), fields];
  });
  const decision = await check("decision is signed by the pinned authority", async () => {
    const keys = pinned(trust.authorities, statement.get("authority"));
    const fields = await verifiedBy(statement.get("decision"), "decision", keys);
    if (!OUTCOMES.has(fields.get("outcome"))) throw new Invalid("malformed");
    return [plainly(statement.get("authority")), fields];
  });
  await check("statement and decision agree", async () => {
    for (const field of AGREE)
      if (!same(statement.get(field), decision.get(field))) throw new Invalid("differs", { field });
    return [found(OUTCOMES.get(decision.get("outcome")))];
  });
  await check("match policy is accepted", async () => {
    if (!trust.policies.includes(hex(statement.get("policyDigest")))) throw new Invalid("policy-not-pinned");
    if (decision.get("lanes") !== LANES) throw new Invalid("lanes");
    return [plainly(statement.get("policyAssurance"))];
  });
  const { logged, witnesses } = await checkLog(receipt, trust.log, check);
  const audit = await check("audit", () => checkAudit(statement.get("audit"), decision, trust.auditors));
  const policy = await check("match policy is signed by two operators", () => checkPolicy(statement, trust));
  return { statement, decision, logged, witnesses, audit, policy };
}

async function checkAudit(encoded, decision, auditors) {
  const finding = await auditOf(encoded, decision, auditors);
  return [finding, finding];
}

async function auditOf(encoded, decision, auditors) {
  if (encoded === null) return found("no-audit", {}, NOT_PERFORMED);
  if (!(encoded instanceof Uint8Array)) throw new Invalid("malformed");
  const auditor = sign1(encoded).fields.get("auditor");
  if (!auditors.length) return found("no-auditor-pinned", { name: auditor }, NOT_CHECKED);
  const report = await verifiedBy(encoded, "audit-report", pinned(auditors, auditor));
  const evaluated = new Map([...decision].filter(([name]) => name !== "outcome"));
  if (!equal(await sha256(cborEncode(evaluated)), report.get("evaluatedDigest")))
    throw new Invalid("another-evaluation");
  return found("repeated-by", { name: auditor });
}

// Where the statement stands (null: not checked), and what the witnesses did.
async function checkLog(receipt, policy, check) {
  const encoded = receipt.get("logProof");
  const proof = await check("log proof is there", async () => {
    if (encoded === null && policy !== null) throw new Invalid("no-proof");
    if (encoded !== null && !(encoded instanceof Uint8Array)) throw new Invalid("malformed-proof");
    const read = encoded && parseProof(encoded);
    if (policy === null) return [found("no-log-pinned", {}, NOT_CHECKED), read];
    return [found("bytes", { count: encoded.length }), read];
  });
  if (policy === null) return { logged: null, witnesses: found("no-log-pinned", {}, NOT_CHECKED) };
  const { index, path, checkpoint } = proof;
  await check("checkpoint is signed by a pinned log", async () => {
    await checkSigned(checkpoint, policy);
    return [plainly(checkpoint.origin)];
  });
  const witnesses = await check("enough pinned witnesses cosigned", async () => {
    const names = await checkQuorum(checkpoint, policy);
    const finding = names.length ? plainly(names.join(", ")) : found("no-witness", {}, NOT_PERFORMED);
    return [finding, finding];
  });
  const logged = await check("statement is in the log", async () => {
    const root = await rootOf(await sha256(receipt.get("statement")), index, checkpoint.size, path);
    if (!equal(root, checkpoint.root)) throw new Invalid("another-tree");
    const { size, origin } = checkpoint;
    return [found("entry-of", { index, size }), { index, size, origin }];
  });
  return { logged, witnesses };
}
