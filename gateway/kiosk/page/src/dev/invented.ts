/** Ports that invent everything: no server, no camera, no person. */

import { texts } from "../liveness/limits";
import { Counted } from "../screens/meter";
import {
  type Case,
  type CounterPort,
  type DocumentRead,
  Ended,
  type Finished,
  type OpenCamera,
  type Progress,
  type Settings,
  type Waiting,
  type WaitingReceipt,
} from "../screens/ports";

const CONSENT = {
  en: {
    text: "Your live picture and the portrait on your document are compared, to check that you are the document's holder. Both are turned into encrypted numbers on this device. The pictures are not sent and not kept. What is kept is the outcome, with codes that show neither your face nor your document number. You get a receipt.",
    withoutFace: "You need not do this. Ask for the other way: a member of staff checks your document without a camera.",
    kept: "The record is kept for 180 days.",
    toGuardian: "To the parent or guardian: this is about the minor for whom you are here. You decide in their place. Below, “you” is the minor.",
  },
  zh: {
    text: "我们会比对您的现场影像与证件上的照片，以确认您是证件持有人。两者都在本设备上转换为加密数值，影像不会被发送，也不会被保存。保存的只有比对结果，以及不显示您的面容和证件号码的代码。您会得到一份回执。",
    withoutFace: "您可以不进行人脸比对。请要求使用其他方式：由工作人员核验您的证件，不使用摄像头。",
    kept: "记录保存 180 天。",
    toGuardian: "致父母或其他监护人：以下内容涉及您所陪同的未成年人，由您代为决定。下文中的“您”指该未成年人。",
  },
  es: {
    text: "Se comparan su imagen en vivo y el retrato de su documento para comprobar que usted es su titular. Ambos se convierten en números cifrados en este dispositivo. Las imágenes no se envían ni se guardan. Se guarda el resultado, con códigos que no muestran ni su cara ni el número de su documento. Usted recibe un recibo.",
    withoutFace: "Usted no está obligado a hacerlo. Pida la otra vía: una persona del personal comprueba su documento sin cámara.",
    kept: "El registro se conserva 180 días.",
    toGuardian: "Para la madre, el padre o quien ejerza la tutela: se trata de la persona menor de edad a la que usted acompaña. Usted decide en su lugar. A continuación, «usted» es la persona menor.",
  },
};

const KINDS = ["passport", "id-card", "residence-permit", "driving-licence", "cn-resident-id", "hk-id", "other"];

const READING: Record<string, "chip" | "mrz"> = { passport: "mrz", "residence-permit": "chip" };

export const settings = (language: Settings["language"], preview = true): Settings => ({
  language,
  names: { gateway: "carrier.example", outlet: "shop-0471", agent: "agent-12", device: "counter-3", issuer: "reader-3" },
  consent: { version: 4, retentionDays: 180, texts: CONSENT },
  documents: KINDS.map((kind) => ({ kind, by: READING[kind] ?? "any" })),
  prompts: texts as unknown as Settings["prompts"],
  guardianBelowAge: 14,
  withoutFace: {
    en: "The person can be registered without a face: an employee checks who they are by other means, and a supervisor approves it.",
    zh: "也可以不使用人脸登记：由经办人以其他方式核实身份，再由主管批准。",
    es: "También es posible el registro sin rostro: quien atiende comprueba la identidad por otros medios y otra persona, que supervisa, lo aprueba.",
  },
  attempts: 3,
  preview,
});

/** What the invented counter does; the harness sets it. */
export interface Script {
  read: DocumentRead | Ended;
  camera: Ended | null;
  advice: string | null;
  /** Each is shown at once; the last one stays until `end` is given, if it is. */
  progress: Progress[];
  end: Finished | Ended | null;
  /** Receipts of earlier customers, and what becomes of one that is asked for. */
  waiting: WaitingReceipt[];
  /** Ids of those that this browser cannot open. */
  closed: string[];
  late: Finished | Ended;
}

export const READ: DocumentRead = {
  handle: "00",
  kind: "passport",
  number: null,
  how: "chip-verified",
  file: "EF.SOD, DG1, DG2",
  minor: false,
  guardian: false,
  standing: null,
};

export const WAITING: WaitingReceipt[] = [
  { id: "0a", order: "order 77-0042", sentAt: 1_795_000_000 },
  { id: "0b", order: "order-5f0c7d9e2f6b4b1e", sentAt: 1_795_003_600 },
];

export const finished = (outcome: Finished["outcome"]): Finished => ({
  outcome,
  recordId: "9f2c4be17a6d40c5b1e8d3a2604f7c11",
  decidedAt: 1_795_000_020,
  statementDigest: "4c1f".repeat(16),
  receipt: new Uint8Array(2400),
  opening: new Uint8Array(180),
  activationOpening: new Uint8Array(90),
  checks: { comparison: outcome, liveness: "passed", log: "done", portrait: "chip-verified" },
});

export class Utterance {
  constructor(readonly text: string) {}
}

/** A voice of this machine that keeps what it is given to say. */
export function invented(lang: string): { heard: string[]; speech: SpeechSynthesis } {
  const heard: string[] = [];
  const voice = { lang, localService: true, default: true, name: lang, voiceURI: lang };
  const speech = {
    getVoices: () => [voice],
    cancel: () => undefined,
    speak: (one: { text: string }) => heard.push(one.text),
  };
  return { heard, speech: speech as unknown as SpeechSynthesis };
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

export class Invented implements CounterPort {
  readonly meter = new Counted();
  /** Those that were opened and not closed. */
  readonly openCameras = new Set<OpenCamera>();
  /** What was asked of the reader last. */
  named: Case | null = null;

  constructor(
    readonly settings: Settings,
    private readonly script: Script,
  ) {}

  async enrolment(): Promise<{ publicKey: string; lines: string[] }> {
    const publicKey = "7b0d".repeat(16);
    return {
      publicKey,
      lines: [
        `sealmatch-gateway enrol --role device --party counter-3 --key ${publicKey}`,
        `sealmatch-authority enrol --role device --party counter-3 --key ${publicKey}`,
      ],
    };
  }

  async readDocument(named: Case): Promise<DocumentRead> {
    this.named = named;
    if (this.script.read instanceof Ended) throw this.script.read;
    return this.script.read;
  }

  async cameras(): Promise<{ id: string; label: string }[]> {
    return [
      { id: "1", label: "Counter camera" },
      { id: "2", label: "Camera on an arm" },
    ];
  }

  async openCamera(): Promise<OpenCamera> {
    if (this.script.camera) throw this.script.camera;
    const close = (): void => void this.openCameras.delete(camera);
    const camera: OpenCamera = { video: drawn(), mirrored: true, id: "1", close };
    this.openCameras.add(camera);
    return camera;
  }

  async advise(_: OpenCamera, say: (advice: string | null) => void, signal: AbortSignal): Promise<void> {
    say(this.script.advice);
    return aborted(signal);
  }

  async check(
    _order: unknown,
    _read: unknown,
    _agreed: unknown,
    _camera: unknown,
    show: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Finished> {
    this.meter.sent("request", 1_243);
    for (const one of this.script.progress) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      show(one);
      if (one.stage === "decide") this.meter.sent("submission", 748_112);
    }
    const { end } = this.script;
    if (end === null) {
      const again = setInterval(() => show(this.script.progress.at(-1)!), 100);
      return aborted(signal).finally(() => clearInterval(again));
    }
    if (end instanceof Ended) throw end;
    this.meter.sent("question", 611);
    return end;
  }

  async askAgain(): Promise<Finished> {
    return finished("MATCH");
  }

  async waiting(): Promise<Waiting> {
    return { receipts: this.script.waiting, closed: this.script.closed };
  }

  async collect(): Promise<Finished> {
    const { late } = this.script;
    if (late instanceof Ended) throw late;
    return late;
  }

  async dismiss(): Promise<void> {}

  collected(): void {}

  forget(): void {}
}

/** A drawn head in the place of a camera's picture. */
function drawn(): HTMLVideoElement {
  const canvas = document.createElement("canvas");
  canvas.width = 640;
  canvas.height = 480;
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = "#8fa3a0";
  pen.fillRect(0, 0, 640, 480);
  pen.fillStyle = "#d9b18c";
  pen.beginPath();
  pen.ellipse(320, 230, 105, 140, 0, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = "#3b2f2a";
  for (const x of [278, 362]) pen.fillRect(x - 14, 205, 28, 10);
  pen.fillRect(285, 300, 70, 8);
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = canvas.captureStream(5);
  return video;
}
