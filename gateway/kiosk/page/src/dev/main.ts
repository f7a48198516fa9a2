/**
 * Shows one screen by its name: `?at=consent&agent=en&customer=zh`. The way to it is that of a
 * person: fields are filled in and buttons pressed. `document.body.dataset.shown` is set when the
 * screen is there, and `window.screens` lists all names. With `&voice=zh` this machine has a voice,
 * and `window.heard` holds what it said.
 */

import { Desk } from "../screens/desk";
import { serve } from "../screens/flow";
import { Ended, type Language, type Progress, type Settings } from "../screens/ports";
import { paper } from "../screens/receipt";
import { hindered, opening } from "../screens/start";
import { TEXTS } from "../screens/texts";
import "../screens/styles.css";
import { finished, Invented, invented, READ, type Script, settings, Utterance, WAITING } from "./invented";

const still: Progress = {
  stage: "capture", prompt: "hold-still", advice: null, done: 0, of: 3, leftMs: 20_000, lit: null,
};
const at = (more: Partial<Progress>): Progress[] => [still, { ...still, ...more }];
const done = { prompt: null, advice: null, leftMs: null, done: 3 } as const;

interface Screen {
  script?: Partial<Script>;
  /** Ids that are pressed, in this order; what begins with a dot is waited for. */
  press: string[];
  preview?: boolean;
  attempts?: number;
  /** What the agent leaves empty, or another kind than an identity card. */
  empty?: "all" | "number";
  kind?: string;
  /** The shop's side, also where one side is shown at a time. */
  shop?: boolean;
}

const TO_CONSENT = ["hand-over"];
const TO_CAMERA = [...TO_CONSENT, "agree"];
const TO_CAPTURE = [...TO_CAMERA, "start"];
const capture = (more: Partial<Progress>): Screen => ({ script: { progress: at(more) }, press: TO_CAPTURE });
const ended = (end: Script["end"]): Screen => ({ script: { end }, press: TO_CAPTURE });
const shop = (screen: Screen): Screen => ({ ...screen, shop: true });
const told = (code: string, detail: string, advice: string | null = null): Screen => ({
  script: { read: new Ended("failed", advice, { code, detail }) },
  press: ["read"],
});
const hidden = (cause: "denied" | "missing" | "busy" | "lost"): Screen => ({
  script: { camera: new Ended("camera", null, { cause }) },
  press: TO_CAMERA,
});
const REFERENCE = "5f0c7d9e-2f6b-4b1e-9a60-0f6f6c1f3e7a";
const refused = (code: string, step: string, values = {}): Screen =>
  shop(ended(new Ended("refused", null, { code, values, detail: `${code} (${step})`, reference: REFERENCE })));
/** As the process says it, in the agent's language. */
const OF_THE_CHIP =
  "Nothing of this chip is used. Look at the document itself: if a page or the chip was tampered with, keep to your rules for forgeries.";

const SCREENS: Record<string, Screen> = {
  form: { press: [] },
  welcome: { press: [] },
  "form-empty": { press: ["read"], empty: "all" },
  "form-zone": { press: [], kind: "passport" },
  "form-chip-only": { press: [], kind: "residence-permit", empty: "number" },
  "form-no-chip": { ...told("KIOSK.NOT_NAMED", "no chip lies at the reader"), empty: "number" },
  "form-nothing": told("KIOSK.NOTHING_TO_READ", "no document lies at the reader"),
  "form-read-before": told("KIOSK.READ_FOR_ANOTHER", "this was read for another document"),
  "form-other-number": told("KIOSK.OTHER_DOCUMENT", "the chip is of another document"),
  "form-guardian-needed": told("KIOSK.GUARDIAN_NEEDED", "the person is a minor"),
  "form-not-accepted": told("KIOSK.NOT_ACCEPTED", "this counter accepts no other, but: passport, id-card"),
  "form-expired": told("KIOSK.EXPIRED", "the document has expired"),
  "form-chip-refused": told("KIOSK.CHIP", "chip, step 10, EF.DG2 is the one that was signed: it is not", OF_THE_CHIP),
  "form-process-ended": told("KIOSK.GONE", "the counter's program does not answer"),
  "form-earlier-start": told("PERMISSION_DENIED", "not allowed"),
  "form-guardian": { press: ["minor"] },
  "form-counter": { press: [] },
  "form-refused": { script: { read: new Ended("failed", "why-not-sharp") }, press: ["read"] },
  read: { press: ["read"] },
  "read-chip": { script: { read: { ...READ, number: "X1234567" } }, press: ["read"], empty: "number" },
  "read-chip-shown": { script: { read: { ...READ, number: "X1234567" } }, press: ["read", "show-number"], empty: "number" },
  "read-minor": { script: { read: { ...READ, minor: true, how: "photographed", file: "scan-0042.jpg", standing: null } }, press: ["read"] },
  consent: { press: TO_CONSENT },
  "consent-minor": { script: { read: { ...READ, minor: true } }, press: TO_CONSENT },
  watching: shop({ press: TO_CONSENT }),
  "other-way": { press: [...TO_CONSENT, "without-face"] },
  "other-way-chosen": { press: [...TO_CONSENT, "without-face", "choose-other-way"] },
  "other-way-shop": shop({ press: [...TO_CONSENT, "without-face", "choose-other-way"] }),
  camera: { press: TO_CAMERA },
  "camera-advice": { script: { advice: "come-closer" }, press: TO_CAMERA },
  "camera-low": { script: { advice: "why-from-above" }, press: TO_CAMERA },
  "camera-hidden": { press: TO_CAMERA, preview: false },
  "camera-spare": { press: [...TO_CAMERA, "spare"] },
  "camera-denied": hidden("denied"),
  "camera-missing": hidden("missing"),
  "camera-busy": hidden("busy"),
  "camera-lost": hidden("lost"),
  "camera-models": { script: { camera: new Ended("failed", null, { code: "model-pack", detail: "model-pack" }) }, press: TO_CAMERA },
  "camera-models-shop": shop({ script: { camera: new Ended("failed", null, { code: "model-pack", detail: "model-pack" }) }, press: [...TO_CAMERA, ".doubt .note"] }),
  "capture-still": capture({}),
  "capture-blink": capture({ prompt: "ask-blink" }),
  "capture-mouth": capture({ prompt: "ask-open-mouth", done: 1 }),
  "capture-left": capture({ prompt: "ask-turn-left", done: 1, advice: "more-clearly" }),
  "capture-right": capture({ prompt: "ask-turn-right", done: 2, leftMs: 6_400 }),
  "capture-count": capture({ prompt: "ask-count", lit: 4, of: 5, done: 3 }),
  working: { script: { progress: at({ ...done, stage: "encrypt" }) }, press: TO_CAPTURE },
  doubted: shop({ script: { progress: at({ ...done, stage: "encrypt", doubted: true }) }, press: [...TO_CAPTURE, ".stages"] }),
  sent: { script: { progress: at({ ...done, stage: "decide" }) }, press: [...TO_CAPTURE, ".stages", "without-face"] },
  retry: ended(new Ended("inconclusive", "why-blink-unclear", { exclude: { kind: "blink", reason: "not-recognised" } })),
  "retry-tired": { ...ended(new Ended("inconclusive", "why-head-little")), attempts: 1 },
  "retry-mirrored": ended(new Ended("inconclusive", "why-mirrored")),
  match: ended(finished("MATCH")),
  "match-shop": shop(ended(finished("MATCH"))),
  "match-doubted": shop({ script: { progress: at({ ...done, stage: "encrypt", doubted: true }), end: finished("MATCH") }, press: [...TO_CAPTURE, ".result"] }),
  "no-match": ended(finished("NO_MATCH")),
  "no-match-other-way": { script: { end: finished("NO_MATCH") }, press: [...TO_CAPTURE, ".result", "without-face"] },
  paper: ended(finished("MATCH")),
  refused: { ...refused("gateway-refuses", "session"), shop: false },
  "refused-not-enrolled": refused("gateway-refuses", "session"),
  "refused-clock": refused("clock-differs", "session", { seconds: 612 }),
  "refused-trust": refused("policy-not-listed", "offer"),
  "refused-challenge": refused("not-valid", "offer"),
  locked: ended(new Ended("locked", "advice-locked")),
  unavailable: ended(new Ended("unavailable")),
  "unavailable-shop": shop(ended(new Ended("unavailable", null, { code: "no-answer", detail: "no-answer (session)", reference: REFERENCE }))),
  recorded: ended(new Ended("recorded")),
  "recorded-shop": shop(ended(new Ended("recorded", null, { code: "receipt-pending", detail: "receipt-pending (decide)", reference: REFERENCE }))),
  waiting: { script: { waiting: WAITING.slice(0, 1) }, press: [".waiting li"] },
  "waiting-unknown": {
    script: {
      waiting: WAITING,
      late: new Ended("unknown", null, { code: "session-forgotten", detail: "session-forgotten", reference: REFERENCE }),
    },
    press: ["collect-0a", ".waiting dl"],
  },
  "waiting-closed": { script: { waiting: WAITING.slice(0, 1), closed: ["0c", "0d"] }, press: [".waiting li"] },
  "waiting-came": { script: { waiting: WAITING }, press: ["collect-0b", ".result"] },
  unknown: ended(new Ended("unknown")),
  unproven: ended(new Ended("unproven")),
  "unproven-shop": shop(ended(new Ended("unproven", null, { code: "statement-says-otherwise", detail: "statement-says-otherwise: agent (receipt)", reference: REFERENCE }))),
  "refused-exclusions": ended(new Ended("refused", "advice-exclusions-ignored", { code: "challenge-says-otherwise", detail: "challenge-says-otherwise: excluded (offer)", reference: REFERENCE })),
  "not-possible": ended(new Ended("not-possible")),
  failed: ended(new Ended("failed")),
  "failed-process-ended": shop(ended(new Ended("failed", null, { code: "KIOSK.GONE", detail: "the counter's program does not answer", reference: REFERENCE }))),
  "not-started": { press: [] },
  "address-used": { press: [] },
  "not-started-browser": { press: [] },
  opening: { press: [] },
};

const found = (selector: string): Promise<HTMLElement> =>
  new Promise((resolve) => {
    const look = (): void => {
      const element = document.querySelector<HTMLElement>(selector);
      if (element) resolve(element);
      else setTimeout(look, 5);
    };
    look();
  });

async function fill({ kind, empty }: Screen): Promise<void> {
  const list = (await found("#document-kind")) as HTMLSelectElement;
  if (empty !== "all") list.value = kind ?? "id-card";
  list.dispatchEvent(new Event("change"));
  const number = document.querySelector<HTMLInputElement>("#document-number");
  if (number && !empty) number.value = "X1234567";
}

/** What stands in the page's place before there is a counter. */
const BEFORE: Record<string, (root: HTMLElement, language: Language) => void> = {
  "not-started": (root, language) => hindered(root, "elsewhere", language),
  "address-used": (root, language) => hindered(root, "used", language),
  "not-started-browser": (root, language) => hindered(root, "browser", language),
  opening,
};

async function show(name: string, agent: Language, customer: Language): Promise<void> {
  const screen = SCREENS[name]!;
  if (BEFORE[name]) {
    BEFORE[name](document.getElementById("page")!, customer);
    document.body.dataset.shown = name;
    return;
  }
  const script: Script = { read: READ, camera: null, advice: null, progress: [still], end: null, waiting: [], closed: [], late: finished("MATCH"), ...screen.script };
  const own: Settings = { ...settings(agent, screen.preview ?? true), attempts: screen.attempts ?? 3 };
  const counter = new Invented(own, script);
  Object.assign(window, { openCameras: () => counter.openCameras.size, named: () => counter.named });
  const desk = new Desk(document.getElementById("page")!, counter);
  void serve(desk);
  desk.choose(customer);
  await fill(screen);
  if (name === "form-counter") (await found("details.counter summary")).click();
  const to = screen.press[0] === "hand-over" ? ["read", ...screen.press] : screen.press;
  for (const one of to) {
    if (one.startsWith(".")) await found(one);
    else (await found(`#${one}`)).click();
  }
  if (name === "welcome") desk.turnTo("customer");
  if (screen.shop) {
    await found(screen.script?.end ? "#next" : "#stop, #next");
    desk.turnTo("agent");
  }
  if (name === "paper") document.body.append(paper(finished("MATCH"), TEXTS[customer], customer, own));
  const { progress } = script;
  if (progress.at(-1)?.advice) await found(".capture .advice span"); // it has to hold for a while
  setTimeout(() => (document.body.dataset.shown = name), 60);
}

const asked = new URLSearchParams(location.search);
const voice = asked.get("voice");
if (voice) {
  const { heard, speech } = invented(voice);
  Object.defineProperty(window, "speechSynthesis", { value: speech });
  Object.assign(window, { heard, SpeechSynthesisUtterance: Utterance });
}
Object.assign(window, { screens: Object.keys(SCREENS) });
void show(
  asked.get("at") ?? "form",
  (asked.get("agent") ?? "en") as Language,
  (asked.get("customer") ?? "en") as Language,
);
