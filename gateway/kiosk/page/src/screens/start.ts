/** Before there is a counter: it opens, or why it does not. */

import { h } from "./dom";
import { icon } from "./icons";
import { button, buttons } from "./parts";
import { LANGUAGES, type Language } from "./ports";
import { TEXTS } from "./texts";

/** Why the page cannot begin. `used`: its address was opened before. `elsewhere`: this tab is not
 * the counter, or no more. */
export type Hindrance = "used" | "elsewhere" | "browser";

/** The browser's own language, since no setting is known yet. */
function ownLanguage(): Language {
  const first = navigator.language.slice(0, 2);
  return LANGUAGES.find((one) => one === first) ?? "en";
}

export function opening(root: HTMLElement, language = ownLanguage()): void {
  const t = TEXTS[language];
  document.documentElement.lang = t.tag;
  document.title = t.title;
  root.replaceChildren(
    h("main", { class: "starting" }, h("h1", {}, icon("wait"), " ", t.start.opening)),
  );
}

export function hindered(root: HTMLElement, by: Hindrance, language = ownLanguage()): void {
  const t = TEXTS[language];
  document.documentElement.lang = t.tag;
  document.title = t.title;
  root.replaceChildren(
    h(
      "main",
      { class: "starting screen hindered" },
      h("h1", {}, t.start.heading),
      h("p", { class: "advice" }, icon("info", "big"), h("span", {}, t.start[by])),
      buttons(button(t.start.again, () => location.reload(), { id: "reload", kind: "main", picture: "again" })),
    ),
  );
}
