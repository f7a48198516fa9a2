// Openings: what shows that a receipt is about a document, or about a number or order. The
// subscriber's opens both commitments, the activation's one. Neither leaves this page.

const SALT_BYTES = 32, RECORD_BYTES = 16;
const SUBJECT = "sealmatch/subject/1", COMMITMENT_TO_SUBJECT = "sealmatch/subject-commitment/1";
const COMMITMENT_TO_ACTIVATION = "sealmatch/activation-commitment/1";
const ZERO = Uint8Array.of(0);

// "receipt", "subscriber", "activation" or null, by a field that the others do not have.
function kindOf(bytes) {
  try {
    const fields = message(bytes);
    if (fields.has("statement")) return "receipt";
    if (fields.has("subjectSalt")) return "subscriber";
    return fields.has("activationSalt") ? "activation" : null;
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    return null;
  }
}

// Throws Invalid for anything but an opening in its one form.
function readOpening(bytes) {
  const fields = message(bytes);
  const [first, length] = fields.has("subjectSalt") ? ["subjectSalt", SALT_BYTES] : ["recordId", RECORD_BYTES];
  const more = first === "subjectSalt" ? ["consent"] : [];
  const known = ["version", first, "activationSalt", "activationReference", ...more];
  const isBytes = (name, count) => fields.get(name) instanceof Uint8Array && fields.get(name).length === count;
  const reference = fields.get("activationReference");
  if (fields.size !== known.length || !known.every((name) => fields.has(name))) throw new Invalid("not-an-opening");
  if (!isBytes(first, length) || !isBytes("activationSalt", SALT_BYTES)) throw new Invalid("not-an-opening");
  if (typeof reference !== "string" || !reference) throw new Invalid("not-an-opening");
  const consent = fields.get("consent") ?? null;
  if (consent !== null && !(consent instanceof Uint8Array)) throw new Invalid("not-an-opening");
  return fields;
}

// Throws Invalid unless the receipt's commitment opens to the number or order in the opening.
async function checkActivation(statement, opening) {
  const record = opening.get("recordId");
  if (record !== undefined && !equal(record, statement.get("recordId"))) throw new Invalid("other-opening");
  const reference = trimmed(opening.get("activationReference")).normalize("NFC");
  const claimed = await commitment(COMMITMENT_TO_ACTIVATION, opening.get("activationSalt"), utf8(reference));
  if (!equal(claimed, statement.get("activationCommitment"))) throw new Invalid("other-opening");
}

// Throws Invalid unless the receipt's commitment opens to this document.
async function checkSubject(statement, opening, type, number) {
  const plain = normalForm(number);
  const encoded = concat(utf8(SUBJECT), ZERO, prefixed(type), prefixed(plain));
  const claimed = await commitment(COMMITMENT_TO_SUBJECT, opening.get("subjectSalt"), encoded);
  if (!equal(claimed, statement.get("subjectCommitment"))) throw new Invalid("other-document");
  const consent = opening.get("consent");
  if (consent !== null && statement.has("consentDigest") && !equal(await sha256(consent), statement.get("consentDigest"))) throw new Invalid("other-opening");
}

const commitment = (label, salt, value) => sha256(utf8(label), ZERO, salt, value);

function prefixed(string) {
  const encoded = utf8(string);
  return concat(Uint8Array.of(encoded.length >> 8, encoded.length & 255), encoded);
}

// --- numbers as people write them: spaces, dashes, brackets, digits of every script --------------

// What Python takes for a blank. JavaScript's \s would add the mark that starts a file.
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const MARKS = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ufeff"; // they show nothing
const DASHES = "\u2212\u30fc\u00ad";
const ENDS = new RegExp(`^[${BLANK}${MARKS}]+|[${BLANK}${MARKS}]+$`, "gu");
const SEPARATORS = new RegExp(`[${BLANK}\\-./<]+`, "gu");
const MARK = new RegExp(`[${MARKS}]`, "u");
const BLANKS_AT_ENDS = new RegExp(`^[${BLANK}]+|[${BLANK}]+$`, "gu");

const trimmed = (string) => string.replace(BLANKS_AT_ENDS, "");

// Throws Invalid for what cannot be one document number.
function normalForm(written) {
  const plain = Array.from(written.replace(ENDS, ""), stripped).join("");
  if (!/^[0-9A-Z]{4,40}$/.test(plain)) throw new Invalid("not-a-number");
  return plain;
}

function stripped(character) {
  if (MARK.test(character)) return "";
  const folded = character.normalize("NFKC");
  const single = Array.from(folded).length === 1;
  if (!single && /\p{So}/u.test(character)) throw new Invalid("not-a-number");
  if (single && (/[\p{Pd}\p{Ps}\p{Pe}]/u.test(folded) || DASHES.includes(folded))) return "";
  if (single && /\p{Nd}/u.test(folded)) return String(digit(folded));
  return folded.toUpperCase().replace(SEPARATORS, "");
}

// Decimal digits stand in runs of ten, from zero to nine.
function digit(character) {
  const code = character.codePointAt(0);
  let first = code;
  while (/\p{Nd}/u.test(String.fromCodePoint(first - 1))) first--;
  return (code - first) % 10;
}
