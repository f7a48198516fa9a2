// What the subscriber sees.

const TEXTS = {
  en: {
    name: "English",
    title: "Check a receipt",
    about: "This page checks the receipt of an identity check on your own device. It sends nothing anywhere and works without a network.",
    drop: "Drop the receipt here",
    choose: "or choose the file",
    details: "What was checked",
    limits: "The receipt shows what was signed, by whom, and for which inputs. It contains no photograph, no number and nothing about your face.",
    pins: "Signatures that count here: {gateways}; {authorities}.",
    valid: "The receipt is genuine",
    invalid: "The receipt is NOT valid",
    MATCH: "The check passed: the face before the camera and the portrait on the document were found to be of the same person.",
    NO_MATCH: "The check did not pass: the face before the camera and the portrait on the document were not found to be of the same person.",
    failed: "Check {step} failed: {reason}.",
    unusable: "This browser cannot check the signatures. Use a current version of Chrome, Edge, Firefox or Safari.",
    unreadable: "The file could not be read.",
    facts: ["Decided", "Purpose", "Carrier's gateway", "Key authority", "Shop", "Liveness check", "Record", "Place in the log", "Repeated by"],
  },
  zh: {
    name: "中文",
    title: "核验凭证",
    about: "本页面在您自己的设备上核验身份验证凭证，不向任何地方发送数据，断网也可使用。",
    drop: "将凭证文件拖到这里",
    choose: "或选择文件",
    details: "核验了哪些内容",
    limits: "凭证说明了谁针对哪些输入签署了什么。其中不含照片、号码，也不含任何面部信息。",
    pins: "此处认可的签名方：{gateways}；{authorities}。",
    valid: "凭证真实有效",
    invalid: "凭证无效",
    MATCH: "验证通过：镜头前的人与证件照片为同一人。",
    NO_MATCH: "验证未通过：未能确认镜头前的人与证件照片为同一人。",
    failed: "第 {step} 项核验失败：{reason}。",
    unusable: "此浏览器无法核验签名，请使用最新版 Chrome、Edge、Firefox 或 Safari。",
    unreadable: "无法读取该文件。",
    facts: ["判定时间", "用途", "运营商网关", "密钥机构", "门店", "活体检测", "记录", "日志中的位置", "复核方"],
  },
  es: {
    name: "Español",
    title: "Comprobar un recibo",
    about: "Esta página comprueba en su propio dispositivo el recibo de una verificación de identidad. No envía nada y funciona sin red.",
    drop: "Suelte aquí el recibo",
    choose: "o elija el archivo",
    details: "Qué se ha comprobado",
    limits: "El recibo muestra qué se firmó, quién lo firmó y para qué datos de entrada. No contiene fotografías, números ni nada sobre su rostro.",
    pins: "Firmas que valen aquí: {gateways}; {authorities}.",
    valid: "El recibo es auténtico",
    invalid: "El recibo NO es válido",
    MATCH: "Verificación superada: la persona ante la cámara y la del documento son la misma.",
    NO_MATCH: "Verificación no superada: no se ha confirmado que la persona ante la cámara sea la del documento.",
    failed: "Falló la comprobación {step}: {reason}.",
    unusable: "Este navegador no puede comprobar las firmas. Use una versión actual de Chrome, Edge, Firefox o Safari.",
    unreadable: "No se ha podido leer el archivo.",
    facts: ["Decidido", "Finalidad", "Pasarela del operador", "Autoridad de claves", "Tienda", "Prueba de vida", "Registro", "Lugar en el registro público", "Repetido por"],
  },
};

const { trust: TRUST, steps: STEPS } = JSON.parse(document.getElementById("trust").textContent);
const NUMBERS = Object.fromEntries(Object.entries(STEPS).map(([number, name]) => [name, Number(number)]));
const at = (id) => document.getElementById(id);
let texts = TEXTS.en;
let shown = null;

const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
const names = (parties) => [...new Set(parties.map((one) => one.party))].join(", ");

function speak(language) {
  texts = TEXTS[language];
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = texts[element.dataset.text];
  at("pins").textContent = fill(texts.pins, { gateways: names(TRUST.gateways), authorities: names(TRUST.authorities) });
  if (shown) show(shown);
}

function show(result) {
  shown = result;
  const valid = result.failure === null;
  at("verdict").hidden = false;
  at("verdict").className = valid ? "valid" : "invalid";
  at("headline").textContent = valid ? texts.valid : texts.invalid;
  at("plain").textContent = valid ? texts[result.checked.decision.get("outcome")] : explain(result.failure);
  at("facts").replaceChildren(...(valid ? facts(result.checked) : []));
  at("steps").replaceChildren(...Object.keys(STEPS).map((number) => stepLine(Number(number), result)));
}

function explain(failure) {
  return failure.text ? texts[failure.text] : fill(texts.failed, failure);
}

function facts({ statement, logged, audited }) {
  const minute = new Date(statement.get("decidedAtMinute") * 1000).toISOString().slice(0, 16).replace("T", " ");
  const place = logged ? `${logged.index + 1} / ${logged.size} (${logged.origin})` : "\u2013";
  const values = [
    `${minute} UTC`, statement.get("purpose"), statement.get("gateway"), statement.get("authority"),
    statement.get("outlet"), statement.get("liveness").get("outcome"), hex(statement.get("recordId")), place, audited ?? "\u2013",
  ];
  return values.flatMap((value, i) => [element("dt", texts.facts[i]), element("dd", value)]);
}

function stepLine(number, { passed, failure }) {
  const found = passed.get(number);
  const line = element("li", `${number}. ${STEPS[number]}${found === undefined ? "" : `: ${found}`}`);
  if (found === undefined) line.className = failure && failure.step === number ? "failed" : "skipped";
  return line;
}

function element(name, content) {
  const made = document.createElement(name);
  made.textContent = content;
  return made;
}

async function read(file) {
  const passed = new Map();
  let failure = null, checked = null;
  at("verdict").hidden = true; // never beside a file that it is not about
  try {
    if (file.size > MAX_BYTES) throw { step: 1, reason: "too long for a receipt" };
    const bytes = new Uint8Array(await file.arrayBuffer());
    checked = await verifyReceipt(bytes, TRUST, NUMBERS, (number, found) => passed.set(number, found));
  } catch (error) {
    failure = typeof error.step === "number" ? error : { text: error.name === "NotReadableError" ? "unreadable" : "unusable" };
  }
  show({ passed, failure, checked });
}

function start() {
  const choice = at("language");
  for (const [code, { name }] of Object.entries(TEXTS)) choice.append(new Option(name, code));
  choice.value = Object.keys(TEXTS).find((code) => navigator.language.startsWith(code)) ?? "en";
  choice.addEventListener("change", () => speak(choice.value));
  at("file").addEventListener("change", ({ target }) => {
    if (target.files[0]) read(target.files[0]);
    target.value = ""; // choosing the same file again reads it again
  });
  const drop = at("drop");
  for (const kind of ["dragover", "dragleave", "drop"])
    addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
    });
  speak(choice.value);
}

start();
