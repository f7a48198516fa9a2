/**
 * What `GET /kiosk.json` says: everything public that the page needs to know of this counter.
 *
 * It comes from the local process, which read the trust list of the counter's directory. So whom the
 * page pins is decided by the counter's files, and not by whoever answers as the gateway.
 * Made by `gateway/kiosk/public.py`; both change together.
 */

export type Language = "en" | "zh" | "es";

/** A party whose signatures count, with one key, or two while it rotates. Keys: Ed25519, hex. */
export interface Pinned {
  party: string;
  publicKey: string;
}

/** Keys and names for the check of a receipt, in the form of the offline check page. */
export interface Pins {
  gateways: Pinned[];
  authorities: Pinned[];
  auditors: Pinned[];
  supervisors: Pinned[];
  /** SHA-256 of the match policies that are accepted, hex. */
  policies: string[];
  operators: Pinned[];
  /** Signed approvals of match policies, hex. */
  approvals: string[];
  log: unknown;
}

export interface ModelFile {
  name: string;
  bytes: number;
  sha256: string;
}

/** The face model pack. Its files are at `/pack/<name>`. */
export interface ModelPack {
  id: string;
  /** SHA-256 of the pack's manifest, hex: what messages call the model's digest. */
  digest: string;
  recipe: string;
  embedder: string;
  dimension: number;
  files: ModelFile[];
  /** As it travels in messages. */
  quality: { outcome: "passed" | "uncalibrated"; measures: string; profileDigest: string };
  /** The quality profile itself (`gateway/vision/packs/*.quality.json`). */
  profile: unknown;
}

export interface ConsentText {
  text: string;
  withoutFace: string;
  /** For how long the record is kept, as a sentence. */
  kept: string;
  /** What stands above the text where a guardian agrees in a minor's place. */
  toGuardian: string;
}

export interface DocumentKind {
  kind: string;
  /** What the servers see of it. */
  documentType: string;
  /** By its chip, as a mobile document, by its machine-readable zone, or in any way. */
  reading: "chip" | "mobile" | "mrz" | "any";
}

export interface KioskSettings {
  version: 1;
  /** SHA-256 of release.json, hex: which page this is. */
  release: string;
  language: Language;
  /** Of the protocol: the name of its parameters, which the page pins itself. */
  profile: string;
  purpose: string;
  device: string;
  issuer: string;
  agent: string;
  outlet: string;
  /** How the operators' commands begin that enrol the page's device, one for each server. */
  enrol: string[];
  gateway: {
    party: string;
    /** As requests are signed for it. */
    host: string;
    url: string;
    /** Ed25519, hex; two while it rotates. */
    publicKeys: string[];
    /** ML-KEM-768 + X25519, hex. */
    sealingKey: string;
  };
  authority: { party: string; publicKeys: string[] };
  pins: Pins;
  /** Names of the steps of a receipt's check, and of one without a face. */
  steps: Record<string, string>;
  fallbackSteps: Record<string, string>;
  documentTypes: string[];
  documents: DocumentKind[];
  /** Below this age a guardian agrees in the person's place; null: nobody's age is looked at. */
  guardianBelowAge: number | null;
  model: ModelPack;
  consent: {
    version: number;
    digest: string;
    retentionDays: number;
    texts: Partial<Record<Language, ConsentText>>;
  };
  /** What is said of the way without a face, before the outlet's own words. */
  withoutFace: Record<Language, string>;
  live: {
    /** How often a person may try; every try opens a session of its own. */
    attempts: number;
    /** Whether the person sees the camera's picture. */
    preview: boolean;
  };
}
