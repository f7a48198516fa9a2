/**
 * The shop's side before the customer's turn: document, order, and the reader.
 *
 * The number goes to the local process and nowhere else. It is covered like a password while it is
 * typed, and this side forgets it when the document was read. Where none is typed, the chip tells
 * it; then the agent compares it with the document, before the screen is turned.
 */

import type { Desk } from "./desk";
import { filled, h } from "./dom";
import { icon } from "./icons";
import { button, buttons, chipNumber, command, field, heading, note, secretInput } from "./parts";
import { Ended, type Case, type DocumentRead, type Finished, type NamedDocument, type Settings } from "./ports";
import { reasons } from "./reasons";
import { TEXTS, type Texts } from "./texts";
import { waitingReceipts } from "./waiting";

export interface Prepared {
  /** Number or order to be activated; empty: one is drawn. */
  order: string;
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
    /** Whether a chip at the reader may tell the number. */
    private readonly byChip: boolean,
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
    for (const control of [this.kind, this.number, this.zone]) {
      control.addEventListener("input", () => control.removeAttribute("aria-invalid"));
    }
    this.kind.addEventListener("change", () => this.draw(this.mustZone || this.byZone));
    this.draw(this.mustZone);
  }

  /** What was typed, or which field is empty. Nothing typed but the kind: the chip tells. */
  value(): NamedDocument | string {
    const kind = this.kind.value;
    const zone = this.byZone ? this.zone.value.trim().toUpperCase() : "";
    if (zone) return { kind: kind || null, zone };
    if (!kind) return this.missing(this.kind, this.t.agent.kind);
    const number = this.byZone ? "" : this.number.value.trim();
    if (number) return { kind, number };
    if (this.byChip) return { kind, chip: true };
    return this.missing(this.shown, this.byZone ? this.t.agent.byZone : this.t.agent.byNumber);
  }

  /** The number or zone is to be typed, or typed anew. */
  ask(): void {
    this.missing(this.shown, "");
  }

  forget(): void {
    this.number.value = "";
    this.zone.value = "";
  }

  private get shown(): HTMLInputElement | HTMLTextAreaElement {
    return this.byZone ? this.zone : this.number;
  }

  private get by(): "chip" | "mobile" | "mrz" | "any" {
    const one = this.settings.documents.find((each) => each.kind === this.kind.value);
    return one?.by ?? "any";
  }

  private get mustZone(): boolean {
    return this.by === "mrz";
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
    const hints = { chip: words.chipOnly, mobile: words.mobileOnly, mrz: words.chipHint, any: words.chipHint };
    const chip = this.byChip ? hints[this.by] : "";
    this.element.replaceChildren(
      field(words.kind, this.kind),
      h(
        "div",
        { class: "ways", role: "group", "aria-label": words.document },
        way(false, words.byNumber),
        way(true, words.byZone),
      ),
      byZone
        ? field(words.byZone, this.zone, [words.zoneHint, chip])
        : field(words.byNumber, this.number, [chip, words.numberHint]),
      uncover(this.shown, this.t),
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
    /** Gets a receipt of an earlier customer's. */
    private readonly late: (finished: Finished) => void,
  ) {
    this.t = TEXTS[desk.agentLanguage];
    const settings = desk.counter.settings;
    this.own = new DocumentFields(this.t, settings, "document", true);
    this.guardians = new DocumentFields(this.t, settings, "guardian", false);
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
      waitingReceipts(this.desk, this.signal, this.late),
      this.own.element,
      h("label", { class: "tick", for: "minor" }, this.minor, h("span", {}, words.minor)),
      guardian,
      field(words.order, this.order, [words.orderHint]),
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
    this.told.replaceChildren(note([this.t.agent.reading], "wait"));
    try {
      const read = await this.desk.counter.readDocument(named, this.signal);
      this.own.forget();
      this.guardians.forget();
      this.done({ order: named.order, read });
    } catch (error) {
      if (this.signal.aborted) return;
      if (!(error instanceof Ended)) throw error;
      this.told.replaceChildren(note(reasons(this.desk, error), "info"));
      if (NUMBER_WANTED.includes(error.more.code ?? "")) this.own.ask();
    } finally {
      this.reading = false;
    }
  }

  private named(): Case | null {
    const document = this.own.value();
    const guardian = this.minor.checked ? this.guardians.value() : null;
    const empty = [document, guardian].find((one) => typeof one === "string");
    if (typeof empty === "string") {
      this.told.replaceChildren(note([filled(this.t.agent.needed, { field: empty })], "info"));
    }
    if (typeof document === "string" || typeof guardian === "string") return null;
    return { document, order: this.order.value.trim(), minor: this.minor.checked, guardian };
  }
}

/** Problems that another number, or one at all, may solve. */
const NUMBER_WANTED = ["KIOSK.NOT_NAMED", "KIOSK.NUMBER", "KIOSK.OTHER_DOCUMENT"];

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
      h("li", {}, icon(read.how.endsWith("-verified") ? "lock" : "camera"), t.agent.how[read.how]),
      h("li", {}, icon("check"), h("span", { class: "file" }, read.file)),
      read.number ? h("li", {}, icon("compare"), chipNumber(read.number, t)) : null,
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
        h("pre", { id: "enrol-lines", tabindex: 0, "aria-label": t.agent.lines, role: "region" }, ...own.lines.flatMap((line, n) => [n ? "\n" : "", ...command(line)])),
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
