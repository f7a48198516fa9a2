/**
 * The movements: what is asked for in words, picture, voice and tone; one thing at a time.
 *
 * The screen is built once and then changed in place, because progress comes with every view. What
 * is asked for stands above the picture, near the camera. The limit is the gateway's; whoever needs
 * more time starts afresh, as often as they like.
 */

import type { Desk } from "./desk";
import { filled, h } from "./dom";
import { adviceIcon, icon } from "./icons";
import { promptFace } from "./faces";
import { button, buttons, clauses, heading } from "./parts";
import type { OpenCamera, Progress, Stage } from "./ports";
import { STAGES } from "./ports";
import type { Texts } from "./texts";
import { preview } from "./camera";
import { Steady } from "./steady";

/** From here on the time that is left is shown: enough to press a button calmly. */
const SHOWN_MS = 10_000;

export class CaptureScreen {
  private progress: Progress = {
    stage: "session",
    prompt: "hold-still",
    advice: null,
    done: 0,
    of: 0,
    leftMs: null,
    lit: null,
  };
  private readonly face = h("div", { class: "shown-face" });
  private readonly words = h("h2", { tabindex: -1, class: "prompt" });
  private readonly advice = h("p", { class: "advice small" });
  private readonly dots = h("ol", { class: "dots" });
  private readonly left = h("p", { class: "left quiet" });
  private readonly lit = h("p", { class: "lit", "aria-live": "assertive" });
  private readonly steady = new Steady<string | null>();
  private shown = "";

  constructor(
    private readonly desk: Desk,
    private readonly camera: OpenCamera,
    private readonly more: () => void,
    private readonly told: (progress: Progress) => void,
  ) {}

  view(t: Texts): HTMLElement {
    this.shown = "";
    const screen = h(
      "div",
      { class: "screen capture" },
      h("div", { class: "asked" }, this.face, h("div", {}, this.words, this.lit, this.dots)),
      this.advice,
      h("div", { class: "video" }, preview(this.desk, this.camera, t)),
      buttons(button(t.capture.more, this.more, { id: "more-time", picture: "wait" }), this.left),
    );
    this.draw(t);
    return screen;
  }

  /** Show the next state. It sounds and is announced where something is new. */
  update(newest: Progress, t: Texts): void {
    const before = this.progress;
    const progress = { ...newest, advice: this.steady.take(newest.advice) };
    this.progress = progress;
    if (progress.done > before.done) {
      this.desk.voice.tone("good");
      navigator.vibrate?.(60);
    } else if (progress.lit !== before.lit && progress.lit !== null) {
      this.desk.voice.tone("lit"); // heard at once, where a spoken number would come late
      navigator.vibrate?.(60);
    } else if (progress.prompt !== before.prompt && progress.prompt) {
      this.desk.voice.tone("ask");
      navigator.vibrate?.([40, 60, 40]);
    } else if (progress.advice && progress.advice !== before.advice) {
      this.desk.voice.tone("advice");
    }
    this.draw(t);
    this.told(progress);
  }

  private draw(t: Texts): void {
    const { prompt, advice, done, of, leftMs, lit } = this.progress;
    const asked = this.desk.words(prompt ?? "hold-still");
    const state = [prompt, advice, done, of, lit, this.desk.language].join("|");
    if (state !== this.shown) {
      this.shown = state;
      if (this.words.textContent !== asked) {
        this.words.replaceChildren(...clauses(asked));
        this.face.replaceChildren(promptFace(prompt ?? "hold-still"));
      }
      const hindrance = advice ? this.desk.words(advice) : "";
      this.advice.replaceChildren(...(advice ? [icon(adviceIcon(advice)), h("span", {}, ...clauses(hindrance))] : []));
      this.lit.hidden = prompt !== "ask-count"; // its place is kept, so nothing jumps
      this.lit.textContent = lit === null ? "" : String(lit);
      this.drawDots(done, of, t);
      this.desk.say(hindrance || asked, true);
    }
    this.left.textContent =
      leftMs !== null && leftMs <= SHOWN_MS ? filled(t.capture.left, { n: Math.ceil(leftMs / 1000) }) : t.capture.moreText;
  }

  private drawDots(done: number, of: number, t: Texts): void {
    this.dots.setAttribute("aria-label", `${t.capture.progressLabel}: ${filled(t.capture.progress, { done, of })}`);
    this.dots.replaceChildren(
      ...Array.from({ length: of }, (_, n) => h("li", { class: n < done ? "seen" : "" }, n < done ? icon("check") : null)),
    );
  }
}

/** While machines work: what is done, what runs, what comes. */
export function working(stage: Stage): (t: Texts) => HTMLElement {
  const at = STAGES.indexOf(stage);
  return (t) =>
    h(
      "div",
      { class: "screen working" },
      heading(t.working.heading),
      h(
        "ol",
        { class: "stages" },
        ...STAGES.map((one, n) => {
          const state = n < at ? "done" : n === at ? "now" : "later";
          return h(
            "li",
            { class: state, "aria-current": state === "now" ? "step" : null },
            icon(state === "done" ? "check" : "wait"),
            h("span", {}, t.working.stages[one]),
            h("span", { class: "unseen" }, ` (${t.working.states[state]})`),
          );
        }),
      ),
      at >= STAGES.indexOf("decide") ? h("p", { class: "large" }, t.working.submitted) : null,
    );
}
