// What the subscriber sees.

const { trust: TRUST, steps: STEPS, fallbackSteps: FALLBACK_STEPS, documents: DOCUMENTS } = JSON.parse(document.getElementById("trust").textContent);
// Steps that both kinds of receipt have stand in both under the same number.
const NUMBERS = Object.fromEntries([STEPS, FALLBACK_STEPS].flatMap(Object.entries).map(([number, name]) => [name, Number(number)]));
const at = (id) => document.getElementById(id);
let texts = TEXTS.en;

// The receipt that was read: what its checks found, or which one failed, and what openings showed.
let shown = null;

const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const names = (parties) => [...new Set(parties.map((one) => one.party))].join(", ");
const word = (value) => texts.values[value] ?? value;
const reason = ({ code, values }) => fill(texts.reasons[code], values);
const said = (finding) => (finding.code === undefined ? word(finding.text) : fill(texts.found[finding.code], finding.values));

function speak(language) {
  texts = TEXTS[language];
  document.documentElement.lang = language;
  document.title = texts.page.title;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = texts.page[element.dataset.text];
  at("language").setAttribute("aria-label", texts.language);
  at("pins").textContent = fill(texts.pins, { gateways: names(TRUST.gateways), authorities: names(TRUST.authorities) });
  const type = at("type").value;
  at("type").replaceChildren(...DOCUMENTS.map((one) => new Option(word(one), one)));
  if (type) at("type").value = type;
  if (shown) show();
}

function show() {
  const { failure, checked } = shown;
  const outcome = failure ? null : outcomeOf(checked);
  const [headline, plain] = failure ? [texts.invalid, explain(failure)] : texts[outcome];
  at("verdict").hidden = false;
  at("verdict").className = `box ${failure ? "invalid" : outcome === "MATCH" ? "passed" : outcome === "FALLBACK" ? "other" : "refused"}`;
  at("headline").textContent = headline;
  at("plain").textContent = plain;
  at("receipt").hidden = failure !== null;
  at("details").hidden = false;
  at("facts").replaceChildren(...(failure ? [] : facts(checked)));
  at("items").replaceChildren(...(failure ? [] : items(checked).map(itemLine)));
  at("steps").replaceChildren(...Object.keys(shown.steps).map((number) => stepLine(Number(number))));
  at("document").hidden = shown.opening === null || !shown.opening.has("subjectSalt");
  showFit("subject");
  showFit("activation");
}

const outcomeOf = ({ decision }) => (decision ? decision.get("outcome") : "FALLBACK");

function explain(failure) {
  if (failure.text) return texts[failure.text];
  return fill(texts.failed, { step: failure.step, name: texts.steps[shown.steps[failure.step]], reason: reason(failure) });
}

const minute = (seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;

function facts({ statement, decision, logged }) {
  const values = {
    [decision ? "decided" : "recorded"]: minute(statement.get(decision ? "decidedAtMinute" : "recordedAtMinute")),
    purpose: word(statement.get("purpose")),
    reason: decision ? null : word(statement.get("reason")),
    means: decision ? null : statement.get("means").map(word).join(", "),
    gateway: statement.get("gateway"), authority: statement.get("authority") ?? null,
    outlet: statement.get("outlet"), supervisor: statement.get("supervisor") ?? null,
    record: hex(statement.get("recordId")),
    place: logged ? `${logged.index + 1} / ${logged.size} (${logged.origin})` : null,
  };
  const known = Object.entries(values).filter(([, value]) => value !== null);
  return known.flatMap(([name, value]) => [element("dt", texts.facts[name]), element("dd", value)]);
}

// What the receipt shows, and what it does not: [name, state, words, whether the words are whole].
function items({ statement, decision, supervisor, logged, witnesses, audit, policy }) {
  const log = logged ? plainly(logged.origin) : found("no-log-pinned", {}, NOT_CHECKED);
  const fits = ["subject", "activation"].map((name) => {
    const fit = shown.fits[name];
    if (fit === null) return [name, NOT_CHECKED, texts.found["no-opening"]];
    return fit.failure ? [name, "failed", reason(fit.failure)] : [name, DONE, texts.found["by-opening"]];
  });
  const checked = decision ? [["log", log], ["witnesses", witnesses], ["audit", audit], ["policy", policy]]
    : [["agent", plainly(statement.get("agent"))], ["supervisor", supervisor], ["log", log], ["witnesses", witnesses]];
  return [
    ...(decision ? ofFace(statement, decision.get("outcome")) : [["comparison", NOT_PERFORMED, texts.marks[NOT_PERFORMED]]]),
    ...checked.map(([name, finding]) => [name, finding.state, said(finding)]),
    ...fits,
  ];
}

const ofFace = (statement, outcome) => [
  ["comparison", outcome === "MATCH" ? DONE : "failed", word(outcome)],
  ["portrait", ...portrait(statement.get("portraitSource"))],
  ["liveness", ...liveness(statement.get("liveness"))],
  ["quality", ...quality(statement)],
];

// Its own words say what it is not.
const portrait = (source) => [OF_A_STATE.has(source) ? DONE : NOT_PERFORMED, word(source), true];
const OF_A_STATE = new Set(["chip-verified", "mobile-verified"]);

function liveness(stated) {
  const outcome = stated.get("outcome");
  const asked = stated.get("asked").map(word).join(", ");
  return [outcome === "passed" ? DONE : NOT_PERFORMED, word(outcome) + (asked && ` (${asked})`)];
}

function quality(statement) {
  const outcomes = ["portraitQuality", "liveQuality"].map((name) => statement.get(name).get("outcome"));
  const other = outcomes.find((outcome) => outcome !== "passed");
  return other === undefined ? [DONE, word("passed")] : [NOT_PERFORMED, word(other)];
}

function itemLine([name, state, words, whole]) {
  const line = element("li", "");
  line.className = state;
  line.append(element("b", texts.items[name]), texts.colon, whole ? words : marked(state, words));
  return line;
}

// A finding in words; what was not checked, and what did not take place, says so first.
function marked(state, words) {
  const mark = texts.marks[state];
  return mark === undefined || mark === words ? words : `${mark} \u2013 ${words}`;
}

function stepLine(number) {
  const { passed, failure } = shown;
  const finding = passed.get(number);
  const name = texts.steps[shown.steps[number]];
  const state = finding ? finding.state : failure && failure.step === number ? "failed" : "skipped";
  const words = finding ? texts.colon + marked(state, said(finding)) : "";
  const line = element("li", `${number}. ${name}${words}`);
  line.className = state;
  return line;
}

function showFit(name) {
  const fit = shown.fits[name], box = at(`fits-${name}`);
  box.hidden = fit === null;
  if (fit === null) return;
  box.className = `box ${fit.failure ? "invalid" : "passed"}`;
  box.textContent = fit.failure ? fill(texts.fitsNot, { reason: reason(fit.failure) }) : fill(texts.fits[name], fit);
}

function element(name, content) {
  const made = document.createElement(name);
  made.textContent = content;
  return made;
}

async function readReceipt(bytes) {
  const passed = new Map();
  let failure = null, checked = null;
  try {
    checked = await verifyReceipt(bytes, TRUST, NUMBERS, (number, finding) => passed.set(number, finding));
  } catch (error) {
    failure = typeof error.step === "number" ? error : { text: "unusable" };
  }
  const none = failure ? [] : [NUMBERS["subject opens"], NUMBERS["activation opens"]];
  for (const step of none) passed.set(step, found("no-opening", {}, NOT_CHECKED));
  const steps = isFallback(bytes) ? FALLBACK_STEPS : STEPS;
  shown = { passed, failure, checked, steps, opening: null, fits: { subject: null, activation: null } };
}

async function readOpeningFor(bytes) {
  shown.fits = { subject: null, activation: null };
  shown.opening = null;
  await fit("activation", "activation opens", "about-activation", async () => {
    const opening = readOpening(bytes);
    await checkActivation(shown.checked.statement, opening);
    shown.opening = opening;
    return opening.get("activationReference");
  });
  shown.passed.set(NUMBERS["subject opens"], found("no-opening", {}, NOT_CHECKED));
}

async function fit(name, step, code, run) {
  const number = NUMBERS[step];
  try {
    shown.fits[name] = { failure: null, reference: await run() };
    shown.passed.set(number, found(code));
  } catch (error) {
    if (!(error instanceof Invalid)) throw error;
    shown.fits[name] = { failure: error };
    shown.passed.set(number, found("no-opening", {}, NOT_CHECKED));
  }
}

// Files in any order: the receipt first, then what opens it.
async function read(files) {
  if (!files.length) return;
  try {
    const contents = await Promise.all(files.map(bytesOf));
    const openings = contents.filter((bytes) => ["subscriber", "activation"].includes(kindOf(bytes)));
    const receipts = contents.filter((bytes) => !openings.includes(bytes));
    if (receipts.length || shown === null || shown.failure) {
      for (const id of ["verdict", "receipt", "details"]) at(id).hidden = true; // never beside a file that it is not about
      await readReceipt(receipts[0] ?? openings[0]);
    }
    if (!shown.failure) for (const bytes of preferred(openings)) await readOpeningFor(bytes);
    show();
  } catch (error) {
    shown = { passed: new Map(), failure: { text: error.name === "NotReadableError" ? "unreadable" : "unusable" }, checked: null, steps: STEPS, opening: null, fits: { subject: null, activation: null } };
    show();
  }
}

// Of several openings the subscriber's, which opens both.
const preferred = (openings) => [...openings].sort((a, b) => (kindOf(b) === "subscriber") - (kindOf(a) === "subscriber")).slice(0, 1);

async function bytesOf(file) {
  if (file.size > MAX_BYTES) return new Uint8Array(MAX_BYTES + 1);
  return new Uint8Array(await file.arrayBuffer());
}

async function checkDocument() {
  const { checked, opening } = shown;
  await fit("subject", "subject opens", "about-document", () => checkSubject(checked.statement, opening, at("type").value, at("number").value));
  show();
}

function takesFiles(input, target) {
  input.addEventListener("change", () => {
    read(Array.from(input.files));
    input.value = ""; // choosing the same file again reads it again
  });
  return target;
}

function start() {
  const choice = at("language");
  for (const [code, { name }] of Object.entries(TEXTS)) choice.append(new Option(name, code));
  choice.value = Object.keys(TEXTS).find((code) => navigator.language.startsWith(code)) ?? "en";
  choice.addEventListener("change", () => speak(choice.value));
  const zones = [takesFiles(at("file"), at("drop")), takesFiles(at("opening"), at("drop-opening"))];
  for (const kind of ["dragover", "dragleave", "drop"])
    addEventListener(kind, (event) => {
      event.preventDefault();
      for (const zone of zones) zone.classList.toggle("over", kind === "dragover");
      if (kind === "drop") read(Array.from(event.dataTransfer.files));
    });
  at("document").addEventListener("submit", (event) => {
    event.preventDefault();
    checkDocument();
  });
  speak(choice.value);
}

start();
