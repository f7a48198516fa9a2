/**
 * The camera's screen: the preview, one sentence about what hinders, and a start without hurry.
 *
 * No session is open yet, so no time runs. Here the customer says which movements not to ask for,
 * and the camera can be chosen and moved: sitting, standing, from a wheelchair.
 */

import type { Desk } from "./desk";
import { h } from "./dom";
import { adviceIcon, icon } from "./icons";
import { promptFace, promptOf } from "./faces";
import { button, buttons, clauses, heading } from "./parts";
import { ACTIONS, Ended, type Action, type CameraChoice, type Exclusion, type OpenCamera } from "./ports";
import { Steady } from "./steady";
import { TEXTS, type Texts } from "./texts";

/** What the customer and the agent set before a try; it stays for the next one. */
export interface Setup {
  cameraId: string | null;
  turned: boolean;
  spared: Map<Action, Exclusion>;
}

export const newSetup = (): Setup => ({ cameraId: null, turned: false, spared: new Map() });

/** Which actions a person may be spared here. */
export const SPARED: readonly Action[] = ACTIONS;

export class CameraScreen {
  /** The open camera; the caller takes it with the answer. */
  private camera: OpenCamera | null = null;
  private choices: CameraChoice[] = [];
  private fault: Ended | null = null;
  private advice: string | null | undefined;
  private sparing = false;
  private steady = new Steady<string | null>();
  private watching = new AbortController();
  private readonly advising = h("p", { class: "advice" });
  private readonly place = h("div", { class: "video" });

  constructor(
    private readonly desk: Desk,
    private readonly setup: Setup,
    private readonly redraw: () => void,
    private readonly start: (camera: OpenCamera) => void,
    private readonly told: (advice: string | null) => void,
    private readonly failed: (fault: Ended) => void,
  ) {}

  /** Open the camera, and begin to advise. */
  async open(): Promise<void> {
    this.close();
    this.fault = null;
    const watching = (this.watching = new AbortController());
    try {
      const camera = await this.desk.counter.openCamera(this.setup.cameraId, this.setup.turned);
      if (watching.signal.aborted) return camera.close();
      this.camera = camera;
      this.choices = await this.desk.counter.cameras();
      this.redraw();
      await this.desk.counter.advise(camera, (advice) => this.say(advice), watching.signal);
    } catch (error) {
      if (watching.signal.aborted) return;
      this.camera?.close();
      this.camera = null;
      if (!(error instanceof Ended)) throw error;
      this.fault = error;
      this.failed(error);
      this.redraw();
    }
  }

  /** Stop the advice and close the camera. */
  close(): void {
    this.watching.abort();
    this.camera?.close();
    this.camera = null;
    this.advice = undefined;
    this.steady = new Steady();
  }

  view(t: Texts): HTMLElement {
    if (this.fault) return this.faulty(t, this.fault);
    if (this.sparing) return this.spare(t);
    this.place.replaceChildren(...(this.camera ? [preview(this.desk, this.camera, t)] : []));
    this.drawAdvice(t);
    return h(
      "div",
      { class: "screen camera" },
      heading(t.camera.heading),
      this.advising,
      h(
        "div",
        { class: "before" },
        this.place,
        h(
          "div",
          { class: "more" },
          this.camera
            ? button(t.camera.start, () => this.begin(), { id: "start", kind: "main", picture: "check" })
            : null,
          h("p", { class: "quiet" }, icon("wait"), t.camera.noLimit),
          ...this.more(t),
        ),
      ),
    );
  }

  private begin(): void {
    const camera = this.camera;
    if (!camera) return;
    this.camera = null; // it is the caller's now
    this.watching.abort();
    this.start(camera);
  }

  private say(newest: string | null): void {
    const advice = this.steady.take(newest);
    if (advice === this.advice) return;
    this.advice = advice;
    this.desk.voice.tone(advice ? "advice" : "good");
    this.told(advice);
    this.drawAdvice(TEXTS[this.desk.language]);
  }

  private drawAdvice(t: Texts): void {
    const opening = !this.camera || this.advice === undefined;
    const words = opening ? t.camera.opening : this.advice ? this.desk.words(this.advice) : t.camera.ready;
    const picture = opening ? "wait" : this.advice ? adviceIcon(this.advice) : "check";
    this.advising.classList.toggle("fine", !opening && !this.advice);
    if (this.advising.textContent === words) return;
    this.advising.replaceChildren(icon(picture, "big"), h("span", {}, ...clauses(words)));
    if (opening) this.desk.announce(words);
    else this.desk.say(words);
  }

  private more(t: Texts): (HTMLElement | null)[] {
    const list = h(
      "select",
      { id: "camera-choice" },
      ...this.choices.map((one) =>
        h("option", { value: one.id, selected: one.id === this.camera?.id }, one.label),
      ),
    );
    list.addEventListener("change", () => {
      this.setup.cameraId = list.value;
      void this.open();
    });
    const turned = h("input", { id: "turned", type: "checkbox", checked: this.setup.turned });
    turned.addEventListener("change", () => {
      this.setup.turned = turned.checked;
      void this.open();
    });
    return [
      button(t.camera.spare, () => this.toSpare(true), { id: "spare", kind: "quiet" }),
      h("p", { class: "quiet" }, icon("raise"), t.camera.seated),
      this.choices.length
        ? h("div", { class: "field row" }, h("label", { for: "camera-choice" }, t.camera.choose), list)
        : null,
      h("label", { class: "tick", for: "turned" }, turned, h("span", {}, t.camera.turned)),
    ];
  }

  private toSpare(sparing: boolean): void {
    this.sparing = sparing;
    this.redraw();
    this.desk.announce("");
    document.querySelector<HTMLElement>("#customer h2")?.focus();
  }

  private spare(t: Texts): HTMLElement {
    const one = (kind: Action): HTMLElement => {
      const box = h("input", { id: `spare-${kind}`, type: "checkbox", checked: this.setup.spared.has(kind) });
      box.addEventListener("change", () => {
        if (box.checked) this.setup.spared.set(kind, { kind, reason: "cannot-perform" });
        else this.setup.spared.delete(kind);
      });
      return h(
        "label",
        { class: "movement", for: box.id },
        promptFace(promptOf(kind)),
        h("span", {}, box, t.actions[kind]),
      );
    };
    return h(
      "div",
      { class: "screen spare" },
      heading(t.camera.spareHeading),
      h("p", { class: "large" }, t.camera.spareText),
      h("div", { class: "movements" }, ...SPARED.map(one)),
      buttons(button(t.camera.spareDone, () => this.toSpare(false), { id: "spare-done", kind: "main" })),
    );
  }

  private faulty(t: Texts, fault: Ended): HTMLElement {
    const words = faultWords(fault, t);
    return h(
      "div",
      { class: "screen" },
      heading(t.ended[fault.ending]),
      h("p", { class: "advice" }, icon(fault.ending === "camera" ? "camera" : "info", "big"), h("span", {}, ...clauses(words))),
      buttons(button(t.camera.again, () => void this.open(), { id: "camera-again", kind: "main", picture: "again" })),
    );
  }
}

/** Why the camera's screen shows no picture, for customer and agent. */
export function faultWords(fault: Ended, t: Texts): string {
  const { cause } = fault.more;
  return cause ? t.camera.faults[cause] : (fault.advice ?? t.ended.text[fault.ending]);
}

/** The picture, as in a mirror, or a drawn face where the shop shows no picture. */
export function preview(desk: Desk, camera: OpenCamera, t: Texts): HTMLElement {
  const { video } = camera;
  video.className = camera.mirrored ? "live mirrored" : "live";
  video.setAttribute("aria-label", t.camera.picture);
  const shown = desk.counter.settings.preview;
  const box = h("figure", { class: `preview ${shown ? "" : "hidden-picture"}` }, video);
  box.append(shown ? h("figcaption", {}, t.camera.picture) : promptFace("hold-still"));
  void video.play().catch(() => undefined); // it pauses when it moves in the page
  return box;
}
