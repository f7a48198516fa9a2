// Whether two pinned operators signed the match policy that a statement names, before its decision.

const ORDER_SECONDS = 7 * 24 * 3600;
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
  const { order, agreement } = await twoOperators(approval, trust.operators);
  if (order.get("gateway") !== statement.get("gateway") || agreement.get("gateway") !== statement.get("gateway"))
    throw new Invalid("differs", { field: "gateway" });
  const policy = order.get("proposal").get("policy");
  if (!equal(await sha256(cborEncode(policy)), statement.get("policyDigest"))) throw new Invalid("another-policy");
  if (policy.get("modelId") !== statement.get("modelId")) throw new Invalid("differs", { field: "modelId" });
  const [ordered, agreed] = [order.get("orderedAt"), agreement.get("agreedAt")];
  if (!(ordered <= agreed && agreed < ordered + ORDER_SECONDS && agreed < statement.get("decidedAtMinute") + 60))
    throw new Invalid("approved-late");
  return plainly(`${order.get("operator")}, ${agreement.get("operator")}`);
}

// The approval of this digest, which is that of its agreement; null: it is not on this page.
async function approvalOf(named, approvals) {
  for (const encoded of approvals.map(unhex)) {
    const approval = message(encoded);
    if (equal(await sha256(approval.get("agreement")), named)) return approval;
  }
  return null;
}

async function twoOperators(approval, operators) {
  const [order, agreement] = [approval.get("order"), approval.get("agreement")];
  const [first, second] = [order, agreement].map((one) => sign1(one).fields.get("operator"));
  if (first === second) throw new Invalid("one-operator");
  const ordered = await verifiedBy(order, "policy-order", pinned(operators, first));
  const agreed = await verifiedBy(agreement, "agreement", pinned(operators, second));
  if (!equal(await sha256(order), agreed.get("order"))) throw new Invalid("other-order");
  return { order: ordered, agreement: agreed };
}
