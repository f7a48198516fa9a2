// The checks of a receipt; their numbers and names are those of the command's.

const AGREE = ["profile", "session", "gateway", "authority", "device", "issuer", "policyDigest"];
const MAX_BYTES = 256 * 1024;

const same = (a, b) => (a instanceof Uint8Array ? b instanceof Uint8Array && equal(a, b) : a === b);

function pinned(parties, name) {
  const keys = parties.filter((one) => one.party === name).map((one) => one.publicKey);
  if (!keys.length) throw new Invalid("nobody of this name is pinned here");
  return keys;
}

// Calls done(number, found) for each check that passes; throws { step, reason } at the first that fails.
async function verifyReceipt(bytes, trust, done) {
  let step = 0;
  const check = async (number, run) => {
    step = number;
    const [found, value] = await run();
    done(number, found);
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
  const { receipt, stated } = await check(1, async () => {
    if (bytes.length > MAX_BYTES) throw new Invalid("too long for a receipt");
    const receipt = message(bytes);
    if (!(receipt.get("statement") instanceof Uint8Array)) throw new Invalid("not a receipt");
    const stated = sign1(receipt.get("statement")).fields;
    if (!(stated.get("recordId") instanceof Uint8Array)) throw new Invalid("not a receipt");
    return [hex(stated.get("recordId")), { receipt, stated }];
  });
  const statement = await check(2, async () => {
    const keys = pinned(trust.gateways, stated.get("gateway"));
    return [stated.get("gateway"), await verifiedBy(receipt.get("statement"), "statement", keys)];
  });
  const decision = await check(3, async () => {
    const keys = pinned(trust.authorities, statement.get("authority"));
    return [statement.get("authority"), await verifiedBy(statement.get("decision"), "decision", keys)];
  });
  await check(4, async () => {
    for (const field of AGREE)
      if (!same(statement.get(field), decision.get(field))) throw new Invalid(`they name another ${field}`);
    return [decision.get("outcome")];
  });
  await check(5, async () => {
    if (!trust.policies.includes(hex(statement.get("policyDigest")))) throw new Invalid("not one of the pinned policies");
    return [statement.get("policyAssurance")];
  });
  const logged = await check(6, () => checkLog(receipt, trust));
  return { statement, decision, logged };
}

async function checkLog(receipt, trust) {
  const proof = receipt.get("logProof");
  if (trust.log === null) {
    if (proof !== null) throw new Invalid("no log is pinned here");
    return ["-", null];
  }
  if (proof === null) throw new Invalid("the proof of the log is missing");
  const entry = await sha256(receipt.get("statement"));
  const logged = await verifyProof(proof, entry, trust.log);
  return [`${logged.origin}, ${logged.index + 1} / ${logged.size}`, logged];
}
