/**
 * The shop's side before the customer's turn: document, order, and the reader.
 *
 * The number goes to the local process and nowhere else. It is covered like a password while it is
 * typed, and this side forgets it when the document was read.
 */

import type { Desk } from "./desk";
import { filled, h } from "./dom";
import { icon } from "./icons";
import { button, buttons, field, heading, secretInput } from "./parts";
import { Ended, type Case, type DocumentRead, type NamedDocument, type Settings } from "./ports";
import { TEXTS, type Texts } from "./texts";

export interface Prepared {
  named: Case;
  read: DocumentRead;
}

/** Fields that name one document. */
class DocumentFields {
  readonly element: HTMLElement;
  private readonly kind: HTMLSelectElement;
  private readonly number: HTMLInputElement;
  private readonly zone: HTMLTextAreaElement;
  private byZone = false;

  constructor(
    private readonly t: Texts,
    private readonly settings: Settings,
    private readonly prefix: string,
  ) {
    const words = t.agent;
    this.kind = h(
      "select",
      { id: `${prefix}-kind` },
      h("option", { value: "" }, words.choose),
      ...settings.documents.map((one) =>
        h("option", { value: one.kind }, words.kinds[one.kind] ?? one.kind),
      ),
    );
    this.number = secretInput(`${prefix}-number`);
    this.zone = h("textarea", {
      id: `${prefix}-zone`,
      class: "secret zone",
      rows: 3,
      autocomplete: "off",
      autocapitalize: "characters",
      spellcheck: "false",
    });
    this.element = h("div", { class: "document" });
    this.kind.addEventListener("change", () => this.draw(this.mustZone || this.byZone));
    this.draw(this.mustZone);
  }

  /** What was typed, or which field is empty. */
  value(): NamedDocument | string {
    if (this.byZone) {
      const zone = this.zone.value.trim().toUpperCase();
      return zone ? { kind: this.kind.value || null, zone } : this.missing(this.zone, this.t.agent.byZone);
    }
    if (!this.kind.value) return this.missing(this.kind, this.t.agent.kind);
    const number = this.number.value.trim();
    return number
      ? { kind: this.kind.value, number }
      : this.missing(this.number, this.t.agent.byNumber);
  }

  forget(): void {
    this.number.value = "";
    this.zone.value = "";
  }

  private get mustZone(): boolean {
    const one = this.settings.documents.find((each) => each.kind === this.kind.value);
    return one?.by === "mrz";
  }

  private missing(control: HTMLElement, name: string): string {
    control.setAttribute("aria-invalid", "true");
    control.focus();
    return name;
  }

  private draw(byZone: boolean): void {
    const words = this.t.agent;
    this.byZone = byZone;
    const way = (zone: boolean, label: string): HTMLElement =>
      h(
        "button",
        {
          type: "button",
          id: `${this.prefix}-by-${zone ? "zone" : "number"}`,
          "aria-pressed": String(this.byZone === zone),
          disabled: !zone && this.mustZone,
          onclick: () => {
            this.draw(zone);
            (zone ? this.zone : this.number).focus();
          },
        },
        label,
      );
    const shown = byZone ? this.zone : this.number;
    this.element.replaceChildren(
      field(words.kind, this.kind),
      h(
        "div",
        { class: "ways", role: "group", "aria-label": words.document },
        way(false, words.byNumber),
        way(true, words.byZone),
      ),
      byZone
        ? field(words.byZone, this.zone, words.zoneHint)
        : field(words.byNumber, this.number, words.numberHint),
      uncover(shown, this.t),
    );
  }
}

/** A switch that shows what was typed. */
function uncover(control: HTMLElement, t: Texts): HTMLElement {
  const press = h("button", { type: "button", class: "uncover" }, t.agent.show);
  press.addEventListener("click", () => {
    const shown = control.classList.toggle("uncovered");
    press.textContent = shown ? t.agent.hide : t.agent.show;
  });
  return press;
}

/** Ask the agent until a document was read. */
export class AgentForm {
  private readonly t: Texts;
  private readonly own: DocumentFields;
  private readonly guardians: DocumentFields;
  private readonly order: HTMLInputElement;
  private readonly minor = h("input", { id: "minor", type: "checkbox" });
  private readonly told = h("div", { class: "told", role: "status" });
  private reading = false;

  constructor(
    private readonly desk: Desk,
    private readonly signal: AbortSignal,
    private readonly done: (prepared: Prepared) => void,
  ) {
    this.t = TEXTS[desk.agentLanguage];
    const settings = desk.counter.settings;
    this.own = new DocumentFields(this.t, settings, "document");
    this.guardians = new DocumentFields(this.t, settings, "guardian");
    this.order = h("input", { id: "order", autocomplete: "off", spellcheck: "false" });
  }

  view(): HTMLElement {
    const words = this.t.agent;
    const guardian = h(
      "fieldset",
      { class: "guardian", hidden: true },
      h("legend", {}, words.guardian),
      this.guardians.element,
    );
    this.minor.addEventListener("change", () => (guardian.hidden = !this.minor.checked));
    const form = h(
      "form",
      { class: "screen", autocomplete: "off", novalidate: true },
      heading(words.heading),
      this.own.element,
      h("label", { class: "tick", for: "minor" }, this.minor, h("span", {}, words.minor)),
      guardian,
      field(words.order, this.order, words.orderHint),
      this.told,
      buttons(button(words.read, () => undefined, { id: "read", kind: "main", submit: true })),
      thisCounter(this.desk, this.t),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.read();
    });
    return form;
  }

  private async read(): Promise<void> {
    if (this.reading) return;
    const named = this.named();
    if (!named) return;
    this.reading = true;
    this.say(this.t.agent.reading, "wait");
    try {
      const read = await this.desk.counter.readDocument(named, this.signal);
      this.own.forget();
      this.guardians.forget();
      this.done({ named, read });
    } catch (error) {
      if (this.signal.aborted) return;
      if (!(error instanceof Ended)) throw error;
      const advice = error.advice && this.desk.words(error.advice, this.desk.agentLanguage);
      this.say(advice ?? error.more.detail ?? this.t.ended[error.ending], "info");
    } finally {
      this.reading = false;
    }
  }

  private named(): Case | null {
    const document = this.own.value();
    const guardian = this.minor.checked ? this.guardians.value() : null;
    const empty = [document, guardian].find((one) => typeof one === "string");
    if (typeof empty === "string") this.say(filled(this.t.agent.needed, { field: empty }), "info");
    if (typeof document === "string" || typeof guardian === "string") return null;
    return { document, order: this.order.value.trim(), minor: this.minor.checked, guardian };
  }

  private say(words: string, picture: "wait" | "info"): void {
    this.told.replaceChildren(h("p", { class: "note" }, icon(picture), h("span", {}, words)));
  }
}

/** The document is read: what the agent sees before the screen is turned. */
export function readView(
  desk: Desk,
  prepared: Prepared,
  handOver: () => void,
  another: () => void,
): HTMLElement {
  const t = TEXTS[desk.agentLanguage];
  const { read } = prepared;
  return h(
    "div",
    { class: "screen" },
    heading(t.agent.readDone),
    h(
      "ul",
      { class: "facts" },
      h("li", {}, icon("document"), t.agent.kinds[read.kind] ?? read.kind),
      h("li", {}, icon(read.how === "chip-verified" ? "lock" : "camera"), t.agent.how[read.how]),
      h("li", {}, icon("check"), h("span", { class: "file" }, read.file)),
      read.minor ? h("li", {}, icon("people"), t.agent.minorRead) : null,
      read.standing ? h("li", {}, icon("info"), read.standing) : null,
    ),
    h("p", {}, t.agent.handOverText),
    buttons(
      button(t.agent.handOver, handOver, { id: "hand-over", kind: "main", picture: "turnScreen" }),
      button(t.agent.another, another, { id: "another" }),
    ),
  );
}

/** The device's key and how it is enrolled. */
export function thisCounter(desk: Desk, t: Texts): HTMLElement {
  const names = desk.counter.settings.names;
  const inside = h("div", { class: "enrolment" });
  const view = h(
    "details",
    { class: "counter" },
    h("summary", {}, t.agent.device, h("span", { class: "names" }, `${names.outlet} · ${names.agent}`)),
    inside,
  );
  view.addEventListener("toggle", () => {
    if (!view.open || inside.childElementCount) return;
    void desk.counter.enrolment().then((own) =>
      inside.replaceChildren(
        h("p", {}, t.agent.deviceText),
        h("h3", {}, t.agent.publicKey),
        h("code", { id: "public-key" }, own.publicKey),
        h("h3", {}, t.agent.lines),
        h("pre", { id: "enrol-lines", tabindex: 0, "aria-label": t.agent.lines, role: "region" }, own.lines.join("\n")),
        copyButton(own.lines.join("\n"), t),
      ),
    );
  });
  return view;
}

function copyButton(content: string, t: Texts): HTMLElement {
  const press = button(t.agent.copy, () => {
    void navigator.clipboard.writeText(content).then(() => {
      press.querySelector("span")!.textContent = t.agent.copied;
    });
  });
  return press;
}
