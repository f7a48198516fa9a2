/**
 * Why something did not work, for the agent: by the code that the process or the page gives it.
 *
 * A code without words here is shown as it is. Each text says what to do, in a shop.
 */

import type { Language } from "../ports";
import { filled } from "../dom";

const MODELS = ["model-pack", "model-recipe", "vision-not-loaded"];
const OWN_WORK = ["vision", "vision-ended", "encryption", "encryption-ended", "encryption-module"];
/** What the page itself refuses of what arrived. */
const NOT_AGREED = [
  "session-key", "bad-signature", "not-signed", "not-signed-by", "challenge-for-another-session",
  "challenge-says-otherwise", "not-valid", "not-deterministic-cbor", "answer-too-long",
  "answer-not-json", "answer-not-a-state", "answer-without-outcome",
];
/** What is answered to a submission, and proves nothing of it. */
const UNPROVEN = ["another-submission", "statement-says-otherwise", "decision-says-otherwise"];
const ALIKE: Readonly<Record<string, string>> = {
  ...Object.fromEntries(MODELS.map((code) => [code, "models"])),
  ...Object.fromEntries(OWN_WORK.map((code) => [code, "own-work"])),
  ...Object.fromEntries(NOT_AGREED.map((code) => [code, "not-agreed"])),
  ...Object.fromEntries(UNPROVEN.map((code) => [code, "unproven"])),
};

/** Codes whose words say no more than the class: the process's own sentence stands below them. */
const CLASSES = [
  "KIOSK.NO_GUARDIAN", "KIOSK.NOT_ACCEPTED", "KIOSK.NUMBER", "KIOSK.CHIP", "KIOSK.MOBILE",
  "KIOSK.PORTRAIT", "KIOSK.READER", "KIOSK.REFUSED", "KIOSK.UNAVAILABLE",
];

export const FAULTS: Record<Language, Record<string, string>> = {
  en: {
    "KIOSK.GONE": "The counter's program on this machine does not answer. Start it again, and open the address that it prints.",
    PERMISSION_DENIED: "This tab is no longer the counter. Open the address that the counter's program prints.",
    "KIOSK.NO_DOCUMENT": "The document was read too long ago, or another one since. Read it again.",
    "KIOSK.NOTHING_TO_READ": "No document lies at the reader. Scan it, or read its chip.",
    "KIOSK.READ_FOR_ANOTHER": "What lies at the reader was read before, perhaps for somebody else. Scan or read this customer's document now. If it is the same chip again, type its number.",
    "KIOSK.NOT_NAMED": "No chip lies at the reader, so there is no number to read. Type the number or the machine-readable zone, or read the chip.",
    "KIOSK.OTHER_DOCUMENT": "The number that was read is another one than the one typed. Is it the same document, and typed as printed?",
    "KIOSK.GUARDIAN_NEEDED": "The holder is a minor. Tick the box, and name the guardian's document.",
    "KIOSK.NO_GUARDIAN": "The guardian's document does not count here.",
    "KIOSK.NOT_ACCEPTED": "This counter does not take this document.",
    "KIOSK.EXPIRED": "The document has expired.",
    "KIOSK.CHIP_WANTED": "Of this document the counter takes the chip alone, verified. Read its chip.",
    "KIOSK.MOBILE_WANTED": "Of this document the counter takes the one on a phone alone, verified. Read it from the phone.",
    "KIOSK.ZONE_WANTED": "Of this document the counter reads the machine-readable zone. Give the zone in place of the number, or read the chip.",
    "KIOSK.NUMBER": "This is no number of this kind of document. Compare it with the document.",
    "KIOSK.READER": "The reader's folder cannot be used.",
    "KIOSK.REFUSED": "The issuer of this counter refuses.",
    "KIOSK.UNAVAILABLE": "A file of this counter cannot be used now. Try again; if that does not help, tell whoever runs the counter.",
    "gateway-refuses": "The gateway refuses this counter. Is its key, below, enrolled at both servers? Is this machine's clock right?",
    "clock-differs": "The clock of this machine and that of the gateway are {seconds} seconds apart. Set this one, then try again.",
    "no-answer": "Nobody answers. Is the network there, and does the counter's program still run?",
    "gateway-unavailable": "The gateway is out of service for the moment. Try again soon.",
    "not-the-gateway": "Something else answered in the gateway's place, perhaps the log-in page of a network.",
    "policy-not-listed": "The gateway compares by rules that this counter's trust list does not have: the list may be out of date. Ask whoever runs the counter.",
    "policy-for-another-model": "The gateway compares by other face models than this counter has. Ask whoever runs the counter.",
    "reader-says-otherwise": "The counter's program read another document than the one that was named. Compare them, and type or read it again.",
    "issuer-says-otherwise": "The counter's program signed for something else than was read. Read the document again; if that does not help, tell whoever runs the counter.",
    unproven: "Do not activate on it. Tell both operators, with the reference.",
    "receipt-pending": "The outcome is recorded, and its receipt is not published yet. Ask again later.",
    "being-evaluated": "The check still runs. Ask again in a moment.",
    "not-taken": "The gateway did not take what was sent, and may for some minutes still. Ask again then.",
    "session-forgotten": "The gateway does not know this check any more; it may have been decided. Its operators find it by the reference.",
    "no-decision": "The gateway decided nothing about this check. There is no receipt; begin a new check.",
    models: "The face models of this machine are missing, or not the right ones. In a terminal: sealmatch models check.",
    "own-work": "The page broke off its work. Load it again.",
    "not-agreed": "What arrived is not what was agreed, so this page refuses it. Tell the operators, with the reference.",
  },
  zh: {
    "KIOSK.GONE": "本机的柜台程序没有回应。请重新启动它，并打开它显示的地址。",
    PERMISSION_DENIED: "此标签页不再是当前柜台。请打开柜台程序显示的地址。",
    "KIOSK.NO_DOCUMENT": "证件读取的时间太久，或之后读取了其他证件。请重新读取。",
    "KIOSK.NOTHING_TO_READ": "读卡器处没有证件。请扫描证件，或读取其芯片。",
    "KIOSK.READ_FOR_ANOTHER": "读卡器处的内容以前读取过，可能属于别人。请现在扫描或读取这位顾客的证件。如果仍是同一芯片，请输入其号码。",
    "KIOSK.NOT_NAMED": "读卡器处没有芯片，因此读不到号码。请输入号码或机读码，或读取芯片。",
    "KIOSK.OTHER_DOCUMENT": "读取到的号码与输入的号码不同。是同一份证件吗？是否按证件上的号码输入？",
    "KIOSK.GUARDIAN_NEEDED": "持证人是未成年人。请勾选，并填写监护人的证件。",
    "KIOSK.NO_GUARDIAN": "监护人的证件在这里不能使用。",
    "KIOSK.NOT_ACCEPTED": "本柜台不接受此证件。",
    "KIOSK.EXPIRED": "证件已过期。",
    "KIOSK.CHIP_WANTED": "此种证件，本柜台只接受验证过的芯片。请读取芯片。",
    "KIOSK.MOBILE_WANTED": "此种证件，本柜台只接受验证过的手机证件。请从手机读取。",
    "KIOSK.ZONE_WANTED": "此种证件，本柜台读取机读码。请用机读码代替号码，或读取芯片。",
    "KIOSK.NUMBER": "这不是该种证件的号码。请与证件核对。",
    "KIOSK.READER": "读卡器的文件夹无法使用。",
    "KIOSK.REFUSED": "本柜台的签发程序拒绝了。",
    "KIOSK.UNAVAILABLE": "本柜台的一个文件暂时无法使用。请重试；如仍不行，请告知柜台管理者。",
    "gateway-refuses": "网关拒绝了本柜台。下方的公钥是否已在两台服务器上登记？本机时钟是否准确？",
    "clock-differs": "本机时钟与网关时钟相差 {seconds} 秒。请校准本机时钟，然后重试。",
    "no-answer": "没有回应。网络是否正常？柜台程序是否仍在运行？",
    "gateway-unavailable": "网关暂时停止服务。请稍后重试。",
    "not-the-gateway": "回应的不是网关，可能是某个网络的登录页面。",
    "policy-not-listed": "网关使用的比对规则不在本柜台的信任名单中，名单可能已过期。请询问柜台管理者。",
    "policy-for-another-model": "网关使用的人脸模型与本柜台不同。请询问柜台管理者。",
    "reader-says-otherwise": "柜台程序读取的证件与所填的不是同一份。请核对后重新输入或读取。",
    "issuer-says-otherwise": "柜台程序签署的内容与读取的证件不符。请重新读取证件；如仍不行，请告知柜台管理者。",
    unproven: "请勿据此开通，并把编号告知双方运维人员。",
    "receipt-pending": "结果已记录，凭证尚未发布。请稍后再取。",
    "being-evaluated": "核验仍在进行。请稍后再取。",
    "not-taken": "网关没有收下已提交的内容，但几分钟内仍可能收下。请到时再取。",
    "session-forgotten": "网关已不再保留此次核验，它可能已有结果。运维人员可凭编号查到。",
    "no-decision": "网关对此次核验没有作出判定，因此没有凭证；请重新核验。",
    models: "本机的人脸模型缺失或不正确。请在终端中运行：sealmatch models check。",
    "own-work": "本页面的处理中断了。请重新加载。",
    "not-agreed": "收到的内容与约定不符，本页面已拒绝。请把编号告知运维人员。",
  },
  es: {
    "KIOSK.GONE": "El programa del mostrador no responde en este equipo. Inícielo otra vez y abra la dirección que muestra.",
    PERMISSION_DENIED: "Esta pestaña ya no es el mostrador. Abra la dirección que muestre el programa del mostrador.",
    "KIOSK.NO_DOCUMENT": "El documento se leyó hace demasiado tiempo, o después se leyó otro. Léalo de nuevo.",
    "KIOSK.NOTHING_TO_READ": "No hay ningún documento en el lector. Escanéelo o lea su chip.",
    "KIOSK.READ_FOR_ANOTHER": "Lo que hay en el lector ya se leyó, quizá para otra persona. Escanee o lea ahora el documento de este cliente. Si es otra vez el mismo chip, escriba su número.",
    "KIOSK.NOT_NAMED": "No hay ningún chip en el lector, así que no hay número que leer. Escriba el número o la zona de lectura mecánica, o lea el chip.",
    "KIOSK.OTHER_DOCUMENT": "El número leído no es el que se ha escrito. ¿Es el mismo documento, y está escrito como aparece impreso?",
    "KIOSK.GUARDIAN_NEEDED": "El titular es menor. Marque la casilla e indique el documento de quien ejerce la tutela.",
    "KIOSK.NO_GUARDIAN": "El documento de quien ejerce la tutela no vale aquí.",
    "KIOSK.NOT_ACCEPTED": "Este mostrador no acepta este documento.",
    "KIOSK.EXPIRED": "El documento está caducado.",
    "KIOSK.CHIP_WANTED": "De este documento, el mostrador solo acepta el chip, verificado. Lea el chip.",
    "KIOSK.MOBILE_WANTED": "De este documento, el mostrador solo acepta el del teléfono, verificado. Léalo del teléfono.",
    "KIOSK.ZONE_WANTED": "De este documento, el mostrador lee la zona de lectura mecánica. Indique la zona en vez del número, o lea el chip.",
    "KIOSK.NUMBER": "No es un número de este tipo de documento. Compárelo con el documento.",
    "KIOSK.READER": "No se puede usar la carpeta del lector.",
    "KIOSK.REFUSED": "El emisor de este mostrador lo rechaza.",
    "KIOSK.UNAVAILABLE": "Un archivo de este mostrador no se puede usar ahora. Inténtelo de nuevo; si no funciona, avise a quien lo administra.",
    "gateway-refuses": "La pasarela rechaza este mostrador. ¿Está inscrita su clave, la de abajo, en los dos servidores? ¿Va bien el reloj de este equipo?",
    "clock-differs": "El reloj de este equipo y el de la pasarela se llevan {seconds} segundos. Ponga este en hora e inténtelo de nuevo.",
    "no-answer": "Nadie responde. ¿Hay red? ¿Sigue en marcha el programa del mostrador?",
    "gateway-unavailable": "La pasarela está fuera de servicio por el momento. Inténtelo dentro de un rato.",
    "not-the-gateway": "Ha respondido otra cosa en lugar de la pasarela, quizá la página de acceso de una red.",
    "policy-not-listed": "La pasarela compara con reglas que no están en la lista de confianza de este mostrador: puede que la lista esté anticuada. Pregunte a quien lo administra.",
    "policy-for-another-model": "La pasarela compara con otros modelos faciales que los de este mostrador. Pregunte a quien lo administra.",
    "reader-says-otherwise": "El programa del mostrador ha leído otro documento que el indicado. Compárelos, y escríbalo o léalo de nuevo.",
    "issuer-says-otherwise": "El programa del mostrador ha firmado otra cosa que lo leído. Lea el documento de nuevo; si no funciona, avise a quien administra el mostrador.",
    unproven: "No active nada con ella. Avise a los dos operadores, con la referencia.",
    "receipt-pending": "El resultado está registrado y su recibo aún no se ha publicado. Pídalo más tarde.",
    "being-evaluated": "La verificación sigue en curso. Pídalo dentro de un momento.",
    "not-taken": "La pasarela no aceptó lo enviado, y aún puede hacerlo durante unos minutos. Pídalo entonces.",
    "session-forgotten": "La pasarela ya no conoce esta verificación; puede que tenga resultado. Sus operadores la encuentran por la referencia.",
    "no-decision": "La pasarela no decidió nada sobre esta verificación. No hay recibo; empiece una nueva.",
    models: "Los modelos faciales de este equipo faltan o no son los correctos. En un terminal: sealmatch models check.",
    "own-work": "La página ha interrumpido su trabajo. Cárguela de nuevo.",
    "not-agreed": "Lo que ha llegado no es lo acordado, así que esta página lo rechaza. Avise a los operadores, con la referencia.",
  },
};

/** The words for a code, or null. */
export function faultWords(
  code: string | undefined,
  values: Readonly<Record<string, string | number>>,
  language: Language,
): string | null {
  if (code === undefined) return null;
  const words = FAULTS[language][ALIKE[code] ?? code];
  return words === undefined ? null : filled(words, values);
}

/** Whether the sentence of the process says more than the words for its code. */
export const saysMore = (code: string | undefined): boolean =>
  code === undefined || CLASSES.includes(code) || code !== code.toUpperCase();
