// Whether two pinned operators signed the match policy that a statement names, before its decision.

const ORDER_SECONDS = 7 * 24 * 3600;
const OPEN_SECONDS = 3600; // in which a session is decided that was opened before a change
const SIGNED = "signed";

async function checkPolicy(statement, trust) {
  const finding = await policyOf(statement, trust);
  return [finding, finding];
}

async function policyOf(statement, trust) {
  const named = statement.get("policyApproval");
  if (named === null) return found("nobody-signed", {}, NOT_PERFORMED);
  if (!trust.operators.length) return found("no-operator-pinned", {}, NOT_CHECKED);
  const approval = await approvalOf(named, trust.approvals);
  if (approval === null) return found("no-approval", {}, NOT_CHECKED);
  const gateway = statement.get("gateway");
  const { order, agreement } = await twoOperators(approval, trust.operators, gateway);
  const policy = order.get("proposal").get("policy");
  if (!equal(await sha256(cborEncode(policy)), statement.get("policyDigest"))) throw new Invalid("another-policy");
  if (policy.get("modelId") !== statement.get("modelId")) throw new Invalid("differs", { field: "modelId" });
  const decided = statement.get("decidedAtMinute");
  if (agreement.get("agreedAt") >= decided + 60) throw new Invalid("approved-late");
  for (const encoded of trust.approvals.map(unhex)) {
    const other = await twoOperators(message(encoded), trust.operators, gateway).catch(() => null);
    if (other && later(other, { order, agreement }) && other.agreement.get("agreedAt") + OPEN_SECONDS < decided)
      throw new Invalid("replaced");
  }
  return plainly(`${order.get("operator")}, ${agreement.get("operator")}`);
}

// Whether one approval came after another one. Of two with one number, the one that was agreed to later.
function later(one, other) {
  const by = one.order.get("number") - other.order.get("number");
  return by > 0 || (by === 0 && one.agreement.get("agreedAt") > other.agreement.get("agreedAt"));
}

// The approval of this digest, which is that of its agreement; null: it is not on this page.
async function approvalOf(named, approvals) {
  for (const encoded of approvals.map(unhex)) {
    const approval = message(encoded);
    if (equal(await sha256(approval.get("agreement")), named)) return approval;
  }
  return null;
}

// Order and agreement of two pinned operators, for this gateway and in time.
async function twoOperators(approval, operators, gateway) {
  const [order, agreement] = [approval.get("order"), approval.get("agreement")];
  const [first, second] = [order, agreement].map((one) => sign1(one).fields.get("operator"));
  if (first === second) throw new Invalid("one-operator");
  const ordered = await verifiedBy(order, "policy-order", pinned(operators, first));
  const agreed = await verifiedBy(agreement, "agreement", pinned(operators, second));
  if (!equal(await sha256(order), agreed.get("order"))) throw new Invalid("other-order");
  if (ordered.get("gateway") !== gateway || agreed.get("gateway") !== gateway)
    throw new Invalid("differs", { field: "gateway" });
  const [at, then] = [ordered.get("orderedAt"), agreed.get("agreedAt")];
  if (!(at <= then && then < at + ORDER_SECONDS)) throw new Invalid("approved-late");
  return { order: ordered, agreement: agreed };
}
