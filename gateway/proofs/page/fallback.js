// The checks of the receipt of a registration without a face, by the names that the command gives
// them. It shows that two people signed, and is no match.

const FALLBACK_TYPE = "application/vnd.sealmatch.fallback-statement+cbor";
const TERMS = ["gateway", "device", "agent", "supervisor", "outlet", "purpose", "reason", "means", "consentTextVersion",
  "subjectCommitment", "activationCommitment", "erasureCommitment"];
const KEY_BYTES = 32;

// Whether a receipt says of itself that it is one; nothing is checked.
function isFallback(bytes) {
  try {
    const headers = sign1(message(bytes).get("statement") ?? utf8("")).headers;
    return headers instanceof Map && headers.get(HEADER_TYP) === FALLBACK_TYPE;
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    return false;
  }
}

async function allFallbackChecks(receipt, stated, trust, check) {
  const statement = await check("statement is signed by the pinned gateway", async () => {
    const keys = pinned(trust.gateways, stated.get("gateway"));
    const fields = await verifiedBy(receipt.get("statement"), "fallback-statement", keys, claimsOf(stated));
    return [plainly(stated.get("gateway")), fields];
  });
  const assertion = await check("assertion is signed by the agent", async () => {
    const fields = await verifiedBy(signedIn(statement, "assertion"), "fallback-assertion", [personKey(statement, "agentKey")]);
    return [plainly(statement.get("agent")), fields];
  });
  const supervisor = await check("approval is signed by another person, the supervisor", async () => {
    await checkApproval(statement, trust.supervisors);
    const name = statement.get("supervisor");
    const finding = trust.supervisors.length ? plainly(name) : found("by-gateways-word", { name }, NOT_CHECKED);
    return [finding, finding];
  });
  await check("statement and assertion agree", async () => {
    for (const field of TERMS)
      if (!alike(statement.get(field), assertion.get(field))) throw new Invalid("differs", { field });
    return [plainly(statement.get("reason"))];
  });
  const { logged, witnesses } = await checkLog(receipt, trust.log, check);
  return { statement, supervisor, logged, witnesses };
}

async function checkApproval(statement, supervisors) {
  const key = personKey(statement, "supervisorKey");
  if (statement.get("agent") === statement.get("supervisor") || key === personKey(statement, "agentKey"))
    throw new Invalid("one-person");
  if (supervisors.length && !pinned(supervisors, statement.get("supervisor")).includes(key))
    throw new Invalid("key-not-pinned");
  const approval = await verifiedBy(signedIn(statement, "approval"), "fallback-approval", [key]);
  if (!same(await sha256(statement.get("assertion")), approval.get("assertionDigest")))
    throw new Invalid("other-assertion");
  for (const field of ["supervisor", "gateway"])
    if (statement.get(field) !== approval.get(field)) throw new Invalid("differs", { field });
}

function personKey(statement, field) {
  const key = statement.get(field);
  if (!(key instanceof Uint8Array) || key.length !== KEY_BYTES) throw new Invalid("malformed");
  return hex(key);
}

function signedIn(statement, field) {
  const encoded = statement.get(field);
  if (!(encoded instanceof Uint8Array)) throw new Invalid("malformed");
  return encoded;
}

const alike = (a, b) =>
  Array.isArray(a) ? Array.isArray(b) && a.length === b.length && a.every((one, i) => same(one, b[i])) : same(a, b);
