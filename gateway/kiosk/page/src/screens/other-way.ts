/** "Without a face": what it means, what happens next, and the way back. */

import type { Desk } from "./desk";
import { h } from "./dom";
import { icon } from "./icons";
import { button, buttons, heading, paragraphs } from "./parts";
import type { Texts } from "./texts";

/** The customer's choice. `back` is null where there is nothing to go back to. */
export function otherWay(
  desk: Desk,
  choose: () => void,
  back: (() => void) | null,
  undecided: boolean,
): (t: Texts) => HTMLElement {
  return (t) =>
    h(
      "div",
      { class: "screen other" },
      heading(t.otherWay.heading),
      undecided ? h("p", { class: "advice" }, icon("info", "big"), h("span", {}, t.otherWay.undecided)) : null,
      ...paragraphs(desk.counter.settings.consent.texts[desk.language]?.withoutFace ?? ""),
      h("h3", {}, t.otherWay.next),
      h("ol", { class: "steps" }, ...t.otherWay.steps.map((step) => h("li", {}, step))),
      buttons(
        button(t.otherWay.agreed, choose, { id: "choose-other-way", kind: "main", picture: "faceless" }),
        back ? button(t.otherWay.back, back, { id: "back" }) : null,
      ),
    );
}

/** It was chosen; the agent goes on. */
export function chosen(desk: Desk): (t: Texts) => HTMLElement {
  return (t) =>
    h(
      "div",
      { class: "screen other" },
      h("div", { class: "verdict" }, icon("people", "huge"), heading(t.otherWay.chosen)),
      h("p", { class: "large" }, t.otherWay.chosenText),
      h("p", {}, desk.counter.settings.withoutFace[desk.language]),
      h("ol", { class: "steps" }, ...t.otherWay.steps.slice(1).map((step) => h("li", {}, step))),
    );
}
