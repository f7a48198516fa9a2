/** Pieces that several screens share. */

import { h, newId } from "./dom";
import { icon, type Icon } from "./icons";

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

/** A field with its label and a hint. `control` gets the ids. */
export function field(
  label: string,
  control: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement,
  hint: string | null = null,
): HTMLElement {
  control.id ||= newId("field");
  const hintId = hint ? `${control.id}-hint` : null;
  if (hintId) control.setAttribute("aria-describedby", hintId);
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    hint ? h("p", { class: "hint", id: hintId }, hint) : null,
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
