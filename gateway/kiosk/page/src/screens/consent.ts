/** The customer's side before the camera: welcome, and what they are asked to agree to. */

import type { Desk } from "./desk";
import { h } from "./dom";
import { icon, type Icon } from "./icons";
import { button, buttons, heading, paragraphs } from "./parts";
import { LANGUAGES, type DocumentRead } from "./ports";
import { TEXTS, type Texts } from "./texts";

/** While the agent prepares: the language, and nothing else. */
export function welcome(desk: Desk): (t: Texts) => HTMLElement {
  return (t) =>
    h(
      "div",
      { class: "screen welcome" },
      heading(t.welcome.heading),
      h("p", { class: "large" }, t.welcome.text),
      h(
        "div",
        { class: "tongues" },
        ...LANGUAGES.map((one) =>
          h(
            "button",
            {
              type: "button",
              class: "tongue",
              lang: TEXTS[one].tag,
              id: `tongue-${one}`,
              "aria-pressed": String(one === desk.language),
              onclick: () => {
                desk.choose(one);
                document.getElementById(`tongue-${one}`)?.focus();
              },
            },
            TEXTS[one].name,
          ),
        ),
      ),
      h("p", { class: "quiet" }, icon("camera"), t.welcome.camera),
    );
}

const PICTURES: Icon[] = ["camera", "compare", "home"];

/** The pinned text, whole, with pictures of what it says. Nothing is agreed to before a press. */
export function consent(desk: Desk, read: DocumentRead, agree: () => void): (t: Texts) => HTMLElement {
  return (t) => {
    const own = desk.counter.settings.consent.texts[desk.language];
    if (!own) {
      return h("div", { class: "screen" }, heading(t.consent.heading), h("p", { class: "large" }, t.consent.missing));
    }
    const parts = [read.minor ? own.toGuardian : "", own.text, own.kept, own.withoutFace];
    const whole = parts.filter((part) => part !== "");
    return h(
      "div",
      { class: "screen consent" },
      heading(t.consent.heading),
      h(
        "ul",
        { class: "pictures" },
        ...t.consent.pictures.map((words, n) => h("li", {}, icon(PICTURES[n]!, "big"), h("span", {}, words))),
      ),
      h("div", { class: "text", id: "consent-text" }, ...whole.flatMap(paragraphs)),
      buttons(
        button(t.consent.agree, agree, { id: "agree", kind: "main", picture: "check" }),
        listen(desk, whole.join("\n"), t),
      ),
    );
  };
}

/** Reads a text aloud; where no voice works offline, it says who can. */
function listen(desk: Desk, words: string, t: Texts): HTMLElement {
  if (!desk.voice.speaks(desk.language)) {
    return h("p", { class: "hint tones" }, icon("sound"), t.tools.tonesOnly);
  }
  let speaks = false;
  const press = button(t.consent.listen, () => turn(!speaks), { id: "listen", picture: "sound" });
  const label = (now: boolean): void => {
    speaks = now;
    press.querySelector("span")!.textContent = now ? t.consent.stop : t.consent.listen;
  };
  const turn = (on: boolean): void => {
    desk.voice.quiet();
    if (on) desk.hear();
    label(on && desk.voice.say(words, desk.language, () => label(false)));
  };
  return press;
}
