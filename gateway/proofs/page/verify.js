// The checks of a receipt, by the names that the command gives them; `numbers` are the command's.

const AGREE = ["profile", "session", "gateway", "authority", "device", "issuer", "policyDigest"];
const LANES = 2;
const MAX_BYTES = 256 * 1024;

const same = (a, b) => (a instanceof Uint8Array ? b instanceof Uint8Array && equal(a, b) : a === b);

function pinned(parties, name) {
  const keys = parties.filter((one) => one.party === name).map((one) => one.publicKey);
  if (!keys.length) throw new Invalid("nobody of this name is pinned here");
  return keys;
}

// Calls done(number, found) for each check that passes; throws { step, reason } at the first that fails.
async function verifyReceipt(bytes, trust, numbers, done) {
  let step = 0;
  const check = async (name, run) => {
    step = numbers[name];
    const [found, value] = await run();
    done(step, found);
    return value;
  };
  try {
    return await allChecks(bytes, trust, check);
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    throw { step, reason: error.message };
  }
}

async function allChecks(bytes, trust, check) {
  const { receipt, stated } = await check("receipt is well-formed", async () => {
    if (bytes.length > MAX_BYTES) throw new Invalid("too long for a receipt");
    const receipt = message(bytes);
    if (!(receipt.get("statement") instanceof Uint8Array)) throw new Invalid("not a receipt");
    const stated = sign1(receipt.get("statement")).fields;
    if (!(stated.get("recordId") instanceof Uint8Array)) throw new Invalid("not a receipt");
    return [hex(stated.get("recordId")), { receipt, stated }];
  });
  const statement = await check("statement is signed by the pinned gateway", async () => {
    const keys = pinned(trust.gateways, stated.get("gateway"));
    const claims = new Map([[CLAIM_ISSUER, stated.get("gateway")], [CLAIM_SUBJECT, hex(stated.get("recordId"))]]);
    return [stated.get("gateway"), await verifiedBy(receipt.get("statement"), "statement", keys, claims)];
  });
  const decision = await check("decision is signed by the pinned authority", async () => {
    const keys = pinned(trust.authorities, statement.get("authority"));
    return [statement.get("authority"), await verifiedBy(statement.get("decision"), "decision", keys)];
  });
  await check("statement and decision agree", async () => {
    for (const field of AGREE)
      if (!same(statement.get(field), decision.get(field))) throw new Invalid(`they name another ${field}`);
    return [decision.get("outcome")];
  });
  await check("match policy is accepted", async () => {
    if (!trust.policies.includes(hex(statement.get("policyDigest")))) throw new Invalid("not one of the pinned policies");
    if (decision.get("lanes") !== LANES) throw new Invalid("the decision is not about all lanes of the policy");
    return [statement.get("policyAssurance")];
  });
  const logged = await checkLog(receipt, trust.log, check);
  const audited = await check("audit", () => checkAudit(statement.get("audit"), decision, trust.auditors));
  return { statement, decision, logged, audited };
}

// The auditor's name, if one that is pinned here repeated the evaluation.
async function checkAudit(encoded, decision, auditors) {
  if (encoded === null) return ["-", null];
  if (!(encoded instanceof Uint8Array)) throw new Invalid("not an audit");
  const auditor = sign1(encoded).fields.get("auditor");
  if (!auditors.length) return [`${auditor}: no auditor is pinned here`, null];
  const report = await verifiedBy(encoded, "audit-report", pinned(auditors, auditor));
  const evaluated = new Map([...decision].filter(([name]) => name !== "outcome"));
  if (!equal(await sha256(cborEncode(evaluated)), report.get("evaluatedDigest")))
    throw new Invalid("the auditor repeated another evaluation");
  return [auditor, auditor];
}

async function checkLog(receipt, policy, check) {
  const encoded = receipt.get("logProof");
  const proof = await check("log proof is there", async () => {
    if (encoded === null && policy !== null) throw new Invalid("the receipt has none");
    if (encoded !== null && !(encoded instanceof Uint8Array)) throw new Invalid("not a proof");
    return [encoded === null ? "-" : `${encoded.length} bytes`, encoded && parseProof(encoded)];
  });
  if (policy === null) return null;
  const { index, path, checkpoint } = proof;
  await check("checkpoint is signed by a pinned log", async () => {
    await checkSigned(checkpoint, policy);
    return [checkpoint.origin];
  });
  await check("enough pinned witnesses cosigned", async () => [await checkQuorum(checkpoint, policy)]);
  return check("statement is in the log", async () => {
    const root = await rootOf(await sha256(receipt.get("statement")), index, checkpoint.size, path);
    if (!equal(root, checkpoint.root)) throw new Invalid("the proof leads to another tree");
    const logged = { index, size: checkpoint.size, origin: checkpoint.origin };
    return [`entry ${index} of ${checkpoint.size}`, logged];
  });
}
