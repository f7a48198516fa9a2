/** Pieces that several screens share. */

import { filled, h, newId } from "./dom";
import { icon, type Icon } from "./icons";
import type { Texts } from "./texts";

/** The heading that takes the focus when a screen appears. */
export function heading(words: string, id?: string): HTMLElement {
  return h("h2", { tabindex: -1, id }, words);
}

export interface ButtonKind {
  id?: string;
  kind?: "main" | "plain" | "quiet";
  picture?: Icon;
  submit?: boolean;
}

/** A button of at least 56 pixels. */
export function button(words: string, press: () => void, look: ButtonKind = {}): HTMLButtonElement {
  return h(
    "button",
    {
      id: look.id,
      type: look.submit ? "submit" : "button",
      class: `button ${look.kind ?? "plain"}`,
      onclick: look.submit ? null : press,
    },
    look.picture ? icon(look.picture) : null,
    h("span", {}, words),
  );
}

export const buttons = (...inside: (Node | null | false)[]): HTMLElement =>
  h("div", { class: "buttons" }, ...inside);

/** Text in paragraphs, as it was written. */
export function paragraphs(text: string): HTMLElement[] {
  return text
    .split(/\n{2,}/)
    .filter((part) => part.trim() !== "")
    .map((part) => h("p", {}, part.trim()));
}

/** Something that the agent must know: sentences, one below the other. */
export function note(told: readonly (string | HTMLElement)[], picture: Icon): HTMLElement {
  const paragraphs = told.map((one) => (typeof one === "string" ? h("p", {}, one) : one));
  return h("div", { class: "note" }, icon(picture), h("div", {}, ...paragraphs));
}

/** A sentence whose lines break where it pauses, in a language that writes no spaces. */
export const clauses = (text: string): HTMLElement[] =>
  text.split(/(?<=[，。：；？！])/).map((one) => h("span", { class: "clause" }, one));

/** A command's line; it is broken between its words, so that no option is torn. */
export const command = (line: string): (HTMLElement | string)[] =>
  line.split(" ").flatMap((one, n) => [n ? " " : "", h("span", { class: "token" }, one)]);

/** For so long a number is shown whole, in milliseconds; it can be shown again. */
const SHOWN_MS = 30_000;
/** How many of its characters are always seen: enough to tell one document from the next. */
const SEEN = 3;

/** The number that a chip told, to be compared with the document. It is covered but for its end. */
export function chipNumber(number: string, t: Texts): HTMLElement {
  const end = number.slice(-SEEN);
  const told = h("span", { class: "chip-number", id: "chip-number" });
  const press = h("button", { type: "button", class: "uncover", id: "show-number", "aria-controls": "chip-number" });
  let later: ReturnType<typeof setTimeout> | undefined;
  const draw = (whole: boolean): void => {
    clearTimeout(later);
    press.textContent = whole ? t.agent.hide : t.agent.showNumber;
    told.replaceChildren(
      ...(whole
        ? [number]
        : [
            h("span", { "aria-hidden": "true" }, "\u2022".repeat(number.length - end.length), end),
            h("span", { class: "unseen" }, filled(t.agent.endsWith, { end: [...end].join(" ") })),
          ]),
    );
    press.onclick = () => draw(!whole);
    if (whole) later = setTimeout(() => draw(false), SHOWN_MS);
  };
  draw(false);
  return h(
    "div",
    { class: "chip" },
    h("p", {}, `${t.agent.chipNumber} `, told),
    h("p", { class: "hint" }, t.agent.chipCompare),
    press,
  );
}

/** A field with its label and hints. `control` gets the ids. */
export function field(
  label: string,
  control: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement,
  hints: readonly string[] = [],
): HTMLElement {
  control.id ||= newId("field");
  const told = hints.filter((one) => one !== "");
  const hintId = `${control.id}-hint`;
  if (told.length) control.setAttribute("aria-describedby", hintId);
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    told.length ? h("div", { class: "hint", id: hintId }, ...told.map((one) => h("p", {}, one))) : null,
  );
}

/** A text input that browsers neither remember nor correct. */
export function secretInput(id: string, value = ""): HTMLInputElement {
  return h("input", {
    id,
    class: "secret",
    value,
    autocomplete: "off",
    autocapitalize: "characters",
    spellcheck: "false",
  });
}

/** Hand a file to the person, from memory. */
export function save(name: string, content: Uint8Array): void {
  const url = URL.createObjectURL(
    new Blob([content as BlobPart], { type: "application/octet-stream" }),
  );
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
