/**
 * What the screens need of everything below them, and no more.
 *
 * `src/main.ts` joins the real ones: `client` (a registration), `vision` (a worker), `liveness`
 * (a run), `camera`. `src/dev` joins invented ones, so that every screen can be looked at without
 * a server or a camera. A screen imports none of those directories.
 *
 * The document's portrait is no part of any port: the page never sees it.
 */

export const LANGUAGES = ["en", "zh", "es"] as const;
export type Language = (typeof LANGUAGES)[number];

/** What the page shows of the counter and its settings. All of it is public. */
export interface Settings {
  /** Of the agent, and of a customer who has not chosen. */
  language: Language;
  names: { gateway: string; outlet: string; agent: string; device: string; issuer: string };
  consent: ConsentTexts;
  /** Kinds of document that this counter takes, and how: from the chip alone, from a telephone
   * alone, from what the machine-readable zone says (the chip has it too), or from a typed number
   * as well. */
  documents: { kind: string; by: "chip" | "mobile" | "mrz" | "any" }[];
  /** Which messages can be shown, in every language: the same file that the Python client reads. */
  prompts: Record<Language, Record<string, string>>;
  /** Below this age a guardian agrees; null: nobody's age is looked at. */
  guardianBelowAge: number | null;
  /** What is said of the way without a face, before the outlet's own words. */
  withoutFace: Record<Language, string>;
  /** After so many tries the way without a face is offered first. Nobody is stopped. */
  attempts: number;
  /** Whether the customer sees the camera's picture. */
  preview: boolean;
}

export interface ConsentTexts {
  version: number;
  retentionDays: number;
  texts: Partial<Record<Language, ConsentText>>;
}

export interface ConsentText {
  text: string;
  /** The outlet's own words for the way without a face. */
  withoutFace: string;
  /** For how long the record is kept, as a sentence. */
  kept: string;
  /** What stands above the text where a guardian agrees in a minor's place. */
  toGuardian: string;
}

export const ACTIONS = ["blink", "open-mouth", "turn-left", "turn-right", "count"] as const;
export type Action = (typeof ACTIONS)[number];
/** Why an action is not asked for. No reason names a state of health. */
export type ExclusionReason = "cannot-perform" | "cannot-be-seen" | "not-recognised";
export interface Exclusion {
  kind: Action;
  reason: ExclusionReason;
}

/** A document as the agent names it. `zone`: the lines of a machine-readable zone. `chip`: the
 * chip at the reader tells its number. */
export type NamedDocument =
  | { kind: string; number: string }
  | { kind: string | null; zone: string }
  | { kind: string; chip: true };

/** What the agent types. It goes to the local process alone, where the issuer needs it. */
export interface Case {
  document: NamedDocument;
  /** The number or order to be activated; empty: one is drawn. */
  order: string;
  minor: boolean;
  guardian: NamedDocument | null;
}

/** How the portrait was authenticated: the statement's own words. */
export type Authenticated = "chip-verified" | "mobile-verified" | "read" | "photographed";

/** What the reader says of a document. */
export interface DocumentRead {
  /** Names the document in the local process, until it is used or the next one is read. */
  handle: string;
  kind: string;
  /** As the chip has it, where the agent typed none, to be compared with the document; or null. */
  number: string | null;
  how: Authenticated;
  /** Name of the file that the portrait came from. */
  file: string;
  /** Whether the holder is a minor here, as the document or the agent says. */
  minor: boolean;
  /** Whether a guardian's document was read with it. */
  guardian: boolean;
  /** What this counter remembers of mismatches, as a sentence; null: none. */
  standing: string | null;
}

/** What the customer agreed to, and asks to be spared. */
export interface Agreed {
  language: Language;
  version: number;
  exclusions: Exclusion[];
}

/** Stages of a check, in their order. */
export const STAGES = ["session", "capture", "document", "encrypt", "decide", "receipt"] as const;
export type Stage = (typeof STAGES)[number];

/** What is to be shown while a check runs. */
export interface Progress {
  stage: Stage;
  /** What is asked for, by its message's name ("ask-blink", "hold-still", ...). */
  prompt: string | null;
  /** What hinders, by its message's name; null: nothing. */
  advice: string | null;
  /** Movements seen, of all that are asked for. */
  done: number;
  of: number;
  /** Milliseconds that are left for the movements; null: no limit runs. */
  leftMs: number | null;
  /** The number that is lit now, in a challenge to count; null: none. */
  lit: number | null;
  /** The passive check takes the picture for a photograph or a screen: for the agent alone. */
  doubted?: boolean;
}

/** A finished check, its receipt already verified as any stranger would. */
export interface Finished {
  outcome: "MATCH" | "NO_MATCH";
  recordId: string;
  /** Unix time, cut to the minute. */
  decidedAt: number;
  /** SHA-256 of the statement, in hexadecimal. */
  statementDigest: string;
  receipt: Uint8Array;
  /** The subscriber's opening: it belongs to the customer alone. */
  opening: Uint8Array;
  /** The activation's opening, for the carrier's order system. */
  activationOpening: Uint8Array;
  /** What the statement says: names of checks and what became of them, in codes. */
  checks: { comparison: string; liveness: string; log: string; portrait: Authenticated };
}

/** How a check ends without a decision. */
export type Ending =
  | "inconclusive" // the movements were not completed; nothing was submitted
  | "not-possible" // too few kinds of movement are left to ask for
  | "camera" // no camera, not allowed, taken by another program, or gone
  | "refused" // the gateway, the issuer or this page's own check refused; nothing was decided
  | "locked" // too many mismatches for a while
  | "unavailable" // a server does not answer; nothing was decided
  | "recorded" // an outcome is recorded, its receipt is late
  | "unknown" // nobody says whether there is an outcome
  | "unproven" // what was answered proves no outcome of what was sent
  | "failed"; // this machine itself: the model pack, the document reader

/** Raised by the ports below. Its texts are for people; none holds a number, name or measure. */
export class Ended extends Error {
  constructor(
    readonly ending: Ending,
    /** By a message's name if it is one, otherwise as it is. */
    readonly advice: string | null = null,
    readonly more: {
      /** A movement that may be left out next time. */
      exclude?: Exclusion;
      /** For the agent: a name for the reason, which may have words in every language
       * (`texts/faults.ts`), and what fills them in. */
      code?: string;
      values?: Readonly<Record<string, string | number>>;
      /** For the agent: what was refused, and under which reference the operators find it. */
      detail?: string;
      reference?: string;
      /** For "camera": which of the causes. */
      cause?: CameraFault;
    } = {},
  ) {
    super(ending);
    this.name = "Ended";
  }
}

export type CameraFault = "denied" | "missing" | "busy" | "lost";

/** Kinds of bytes that leave this machine. */
export const SENT_KINDS = ["request", "submission", "question"] as const;
export type SentKind = (typeof SENT_KINDS)[number];

/** Counts what leaves this machine; `src/main.ts` counts where the bytes are handed over. */
export interface Meter {
  sent(kind: SentKind, bytes: number): void;
  totals(): Record<SentKind, number>;
  clear(): void;
  onChange(listener: () => void): void;
}

export interface CameraChoice {
  id: string;
  label: string;
}

/** The camera, while it is open. */
export interface OpenCamera {
  /** To be shown: muted, playing, without controls. It belongs to this camera. */
  readonly video: HTMLVideoElement;
  /** Whether to show it as a mirror does. */
  readonly mirrored: boolean;
  readonly id: string;
  close(): void;
}

/** A submission whose receipt is waited for. */
export interface WaitingReceipt {
  id: string;
  /** The number or order to be activated, as it was typed or drawn. */
  order: string;
  /** Unix time. */
  sentAt: number;
}

export interface Waiting {
  receipts: WaitingReceipt[];
  /** Ids of those that this browser cannot open, so that nobody can ask for them from here. */
  closed: string[];
}

/** What a counter can do. Every call ends with `AbortError` when its signal is raised. */
export interface CounterPort {
  readonly settings: Settings;
  readonly meter: Meter;
  /** The device's public key and the lines with which it is enrolled. */
  enrolment(): Promise<{ publicKey: string; lines: string[] }>;
  /** Have the local process read the document and, for a minor, the guardian's. Raises `Ended`. */
  readDocument(named: Case, signal: AbortSignal): Promise<DocumentRead>;
  cameras(): Promise<CameraChoice[]>;
  /** `turned`: this camera's own picture is mirrored, and is turned back. Raises `Ended`. */
  openCamera(id: string | null, turned: boolean): Promise<OpenCamera>;
  /** Look at the camera's pictures, and say what hinders, until the signal. Keeps nothing. */
  advise(
    camera: OpenCamera,
    say: (advice: string | null) => void,
    signal: AbortSignal,
  ): Promise<void>;
  /** One attempt: session, movements, sealed template, encryption, decision, receipt.
   * Raises `Ended`. Until the stage "decide", a raised signal ends it and nothing was submitted. */
  check(
    order: string,
    read: DocumentRead,
    agreed: Agreed,
    camera: OpenCamera,
    show: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<Finished>;
  /** After "recorded" or "unknown": ask for the receipt of that check. Raises `Ended`. */
  askAgain(signal: AbortSignal): Promise<Finished>;
  /** Submissions of earlier customers whose receipts did not come. */
  waiting(): Promise<Waiting>;
  /** Ask for the receipt of one of them. Raises `Ended`. */
  collect(id: string, signal: AbortSignal): Promise<Finished>;
  /** Wait for it no more. */
  dismiss(id: string): Promise<void>;
  /** The customer has the receipt that was shown: nothing of it is kept any more. */
  collected(): void;
  /** Overwrite and forget all that belongs to this customer. */
  forget(): void;
}
