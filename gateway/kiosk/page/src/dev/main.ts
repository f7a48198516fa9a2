/**
 * Shows one screen by its name: `?at=consent&agent=en&customer=zh`. The way to it is that of a
 * person: fields are filled in and buttons pressed. `document.body.dataset.shown` is set when the
 * screen is there, and `window.screens` lists all names.
 */

import { Desk } from "../screens/desk";
import { serve } from "../screens/flow";
import { Ended, type Language, type Progress, type Settings } from "../screens/ports";
import { paper } from "../screens/receipt";
import { hindered } from "../screens/start";
import { TEXTS } from "../screens/texts";
import "../screens/styles.css";
import { finished, Invented, READ, type Script, settings } from "./invented";

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
}

const TO_CONSENT = ["hand-over"];
const TO_CAMERA = [...TO_CONSENT, "agree"];
const TO_CAPTURE = [...TO_CAMERA, "start"];
const capture = (more: Partial<Progress>): Screen => ({ script: { progress: at(more) }, press: TO_CAPTURE });
const ended = (end: Script["end"]): Screen => ({ script: { end }, press: TO_CAPTURE });

const SCREENS: Record<string, Screen> = {
  form: { press: [] },
  welcome: { press: [] },
  "form-empty": { press: ["read"] },
  "form-guardian": { press: ["minor"] },
  "form-counter": { press: [] },
  "form-refused": { script: { read: new Ended("failed", "why-not-sharp") }, press: ["read"] },
  read: { press: ["read"] },
  "read-minor": { script: { read: { ...READ, minor: true, how: "photographed", file: "scan-0042.jpg", standing: null } }, press: ["read"] },
  consent: { press: TO_CONSENT },
  "consent-minor": { script: { read: { ...READ, minor: true } }, press: TO_CONSENT },
  "other-way": { press: [...TO_CONSENT, "without-face"] },
  "other-way-chosen": { press: [...TO_CONSENT, "without-face", "choose-other-way"] },
  camera: { press: TO_CAMERA },
  "camera-advice": { script: { advice: "come-closer" }, press: TO_CAMERA },
  "camera-low": { script: { advice: "why-from-above" }, press: TO_CAMERA },
  "camera-hidden": { press: TO_CAMERA, preview: false },
  "camera-spare": { press: [...TO_CAMERA, "spare"] },
  "camera-denied": { script: { camera: new Ended("camera", null, { cause: "denied" }) }, press: TO_CAMERA },
  "capture-still": capture({}),
  "capture-blink": capture({ prompt: "ask-blink" }),
  "capture-mouth": capture({ prompt: "ask-open-mouth", done: 1 }),
  "capture-left": capture({ prompt: "ask-turn-left", done: 1, advice: "more-clearly" }),
  "capture-right": capture({ prompt: "ask-turn-right", done: 2, leftMs: 6_400 }),
  "capture-count": capture({ prompt: "ask-count", lit: 4, of: 5, done: 3 }),
  working: { script: { progress: at({ ...done, stage: "encrypt" }) }, press: TO_CAPTURE },
  sent: { script: { progress: at({ ...done, stage: "decide" }) }, press: [...TO_CAPTURE, ".stages", "without-face"] },
  retry: ended(new Ended("inconclusive", "why-blink-unclear", { exclude: { kind: "blink", reason: "not-recognised" } })),
  "retry-tired": { ...ended(new Ended("inconclusive", "why-head-little")), attempts: 1 },
  "retry-mirrored": ended(new Ended("inconclusive", "why-mirrored")),
  match: ended(finished("MATCH")),
  "no-match": ended(finished("NO_MATCH")),
  "no-match-other-way": { script: { end: finished("NO_MATCH") }, press: [...TO_CAPTURE, ".result", "without-face"] },
  paper: ended(finished("MATCH")),
  refused: ended(new Ended("refused", null, { detail: "the match policy is not one that the trust file lists", reference: "5f0c7d9e-2f6b-4b1e-9a60-0f6f6c1f3e7a" })),
  locked: ended(new Ended("locked", "advice-locked")),
  unavailable: ended(new Ended("unavailable")),
  recorded: ended(new Ended("recorded")),
  "recorded-next": { script: { end: new Ended("recorded") }, press: [...TO_CAPTURE, ".ended", "next"] },
  unknown: ended(new Ended("unknown")),
  "not-possible": ended(new Ended("not-possible", "advice-not-possible")),
  failed: ended(new Ended("failed")),
  "not-started": { press: [] },
  "address-used": { press: [] },
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

async function fill(): Promise<void> {
  const kind = (await found("#document-kind")) as HTMLSelectElement;
  kind.value = "id-card";
  kind.dispatchEvent(new Event("change"));
  ((await found("#document-number")) as HTMLInputElement).value = "X1234567";
}

async function show(name: string, agent: Language, customer: Language): Promise<void> {
  const screen = SCREENS[name]!;
  if (name === "not-started" || name === "address-used") {
    hindered(document.getElementById("page")!, name === "address-used" ? "used" : "elsewhere");
    document.body.dataset.shown = name;
    return;
  }
  const script: Script = { read: READ, camera: null, advice: null, progress: [still], end: null, ...screen.script };
  const own: Settings = { ...settings(agent, screen.preview ?? true), attempts: screen.attempts ?? 3 };
  const counter = new Invented(own, script);
  Object.assign(window, { openCameras: () => counter.openCameras.size });
  const desk = new Desk(document.getElementById("page")!, counter);
  void serve(desk);
  desk.choose(customer);
  if (name !== "form-empty") await fill();
  if (name === "form-counter") (await found("details.counter summary")).click();
  const to = screen.press[0] === "hand-over" ? ["read", ...screen.press] : screen.press;
  for (const one of to) {
    if (one.startsWith(".")) await found(one);
    else (await found(`#${one}`)).click();
  }
  if (name === "welcome") desk.turnTo("customer");
  if (name === "paper") document.body.append(paper(finished("MATCH"), TEXTS[customer], customer, own));
  const { progress } = script;
  if (progress.at(-1)?.advice) await found(".capture .advice span"); // it has to hold for a while
  setTimeout(() => (document.body.dataset.shown = name), 60);
}

const asked = new URLSearchParams(location.search);
Object.assign(window, { screens: Object.keys(SCREENS) });
void show(
  asked.get("at") ?? "form",
  (asked.get("agent") ?? "en") as Language,
  (asked.get("customer") ?? "en") as Language,
);
