/**
 * The two sides of the screen: the shop's and the customer's, clearly apart.
 *
 * On a wide screen both are seen; on a narrow one, that whose turn it is, and a switch. A view is a
 * function that builds a side in its language; it is called again when the language changes. On
 * every new view the focus goes to its heading, so keyboard and screen reader follow.
 */

import { h, s } from "./dom";
import { icon } from "./icons";
import { meterView } from "./meter";
import { LANGUAGES, type CounterPort, type Language } from "./ports";
import { TEXTS, message, type Texts } from "./texts";
import { Voice } from "./voice";

export type Side = "agent" | "customer";
export type View = (t: Texts, language: Language) => HTMLElement;

export interface Shown {
  agent: View;
  customer: View;
  turn: Side;
  /** Whether the customer's side offers the way without a face. */
  offer: boolean;
}

/** Sound, and the size of letters. */
export interface Comfort {
  sound: boolean;
  large: boolean;
}

/** The customer pressed "without a face". */
export const OTHER_WAY = Symbol("without a face");

export class Desk {
  /** The customer's. The agent's is that of the settings. */
  language: Language;
  /** When the customer asks for the way without a face; replaced by each question. */
  onOtherWay: () => void = () => undefined;
  readonly voice = new Voice();
  private shown: Shown | null = null;
  private large = false;
  private meterOpen = false;
  private readonly agent = h("section", { id: "agent", class: "side agent" });
  private readonly customer = h("section", { id: "customer", class: "side customer" });
  private readonly bar = h("header", { class: "bar" });
  private readonly footer = h("footer", { class: "foot" });
  private readonly polite = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
  private readonly urgent = h("p", { class: "unseen", role: "alert", "aria-live": "assertive" });
  private readonly sides = h("main", { class: "sides", id: "sides" });

  constructor(
    private readonly root: HTMLElement,
    readonly counter: CounterPort,
  ) {
    this.language = counter.settings.language;
    this.sides.append(this.agent, this.customer);
    this.root.replaceChildren(this.bar, this.sides, this.footer, this.polite, this.urgent);
    counter.meter.onChange(() => this.drawMeter());
    globalThis.speechSynthesis?.addEventListener?.("voiceschanged", () => this.drawBar());
    this.drawBar();
    this.drawMeter();
  }

  /** The agent's language. */
  get agentLanguage(): Language {
    return this.counter.settings.language;
  }

  /** Words of a message for the customer. */
  words(name: string, language = this.language): string {
    return message(name, language, this.counter.settings.prompts);
  }

  show(shown: Shown): void {
    const turns = this.shown?.turn !== shown.turn;
    this.shown = shown;
    this.voice.quiet();
    this.drawAgent();
    this.drawCustomer();
    this.turnTo(shown.turn);
    this.focus(shown.turn);
    if (turns) this.drawBar();
  }

  /** Replace one side, and leave the other as it is. */
  showSide(side: Side, view: View): void {
    if (!this.shown) return;
    this.shown = { ...this.shown, [side]: view };
    if (side === "agent") this.drawAgent();
    else this.drawCustomer();
    this.focus(side);
  }

  /** Build the customer's side anew; the focus stays where it is. */
  redrawCustomer(): void {
    const focused = document.activeElement?.id;
    this.drawCustomer();
    if (focused) document.getElementById(focused)?.focus();
  }

  turnTo(side: Side): void {
    this.sides.dataset.turn = side;
    this.drawBar();
  }

  /** Have a screen reader say it; `now`: at once. What it said last it does not say again. */
  announce(words: string, now = false): void {
    const place = now ? this.urgent : this.polite;
    if (place.textContent !== words) place.textContent = words;
  }

  /** Have the customer hear it, in one voice: the page's own voice, or else a screen reader. */
  say(words: string, now = false): void {
    const own = this.voice.isOn && this.voice.speaks(this.language);
    this.announce(own ? "" : words, now);
    if (own) this.voice.say(words, this.language);
  }

  choose(language: Language): void {
    if (language === this.language) return;
    this.language = language;
    this.voice.quiet();
    this.drawBar();
    this.drawMeter();
    this.drawCustomer();
  }

  /** Turn the sound on: somebody asked to hear something. */
  hear(): void {
    this.voice.turn(true);
    this.drawBar();
  }

  /** What the bar has been set to; what a customer sets goes with them. */
  get comfort(): Comfort {
    return { sound: this.voice.isOn, large: this.large };
  }

  set comfort({ sound, large }: Comfort) {
    if (sound !== this.voice.isOn) this.voice.turn(sound);
    this.large = large;
    document.documentElement.classList.toggle("large", large);
    this.drawBar();
  }

  /** From the bar to the customer's side, past the shop's. */
  private skip(): void {
    this.turnTo("customer");
    this.customer.querySelector<HTMLElement>("h2")?.focus();
  }

  private focus(side: Side): void {
    if (this.sides.dataset.turn !== side) return;
    const place = side === "agent" ? this.agent : this.customer;
    place.querySelector<HTMLElement>("h2")?.focus({ preventScroll: true });
    place.scrollTop = 0;
    window.scrollTo(0, 0);
  }

  private drawAgent(): void {
    const t = TEXTS[this.agentLanguage];
    this.agent.lang = t.tag;
    this.agent.setAttribute("aria-label", t.sides.agentLabel);
    this.agent.replaceChildren(
      h("p", { class: "whose" }, icon("document"), t.sides.agent),
      ...(this.shown ? [this.shown.agent(t, this.agentLanguage)] : []),
    );
  }

  private drawCustomer(): void {
    const t = TEXTS[this.language];
    this.customer.lang = t.tag;
    this.customer.setAttribute("aria-label", t.sides.customerLabel);
    this.customer.replaceChildren(
      h(
        "div",
        { class: "top" },
        h("p", { class: "whose" }, icon("person"), t.sides.customer),
        this.shown?.offer ? this.otherWay(t) : null,
      ),
      ...(this.shown ? [this.shown.customer(t, this.language)] : []),
    );
  }

  private otherWay(t: Texts): HTMLElement {
    return h(
      "button",
      { class: "other-way", type: "button", id: "without-face", onclick: () => this.onOtherWay() },
      icon("faceless"),
      t.otherWay.button,
    );
  }

  private drawBar(): void {
    const t = TEXTS[this.language];
    document.documentElement.lang = t.tag;
    document.title = t.title;
    const focused = document.activeElement?.id;
    this.bar.replaceChildren(
      h("button", { type: "button", class: "skip", id: "skip", onclick: () => this.skip() }, t.skip),
      h("h1", {}, mark(), t.title),
      this.switch(t),
      h(
        "div",
        { class: "tools" },
        this.languages(t),
        tool("sound", this.voice.isOn ? "sound" : "silent", this.voice.isOn ? t.tools.soundOn : t.tools.soundOff, this.voice.isOn, () => {
          this.comfort = { ...this.comfort, sound: !this.voice.isOn };
        }),
        tool("larger", "letters", this.large ? t.tools.normal : t.tools.larger, this.large, () => {
          this.comfort = { ...this.comfort, large: !this.large };
        }),
      ),
    );
    if (focused) this.bar.querySelector<HTMLElement>(`#${CSS.escape(focused)}`)?.focus();
  }

  private switch(t: Texts): HTMLElement {
    const one = (side: Side, words: string): HTMLElement =>
      h(
        "button",
        {
          type: "button",
          id: `to-${side}`,
          "aria-pressed": String(this.sides.dataset.turn === side),
          onclick: () => this.turnTo(side),
        },
        words,
      );
    return h(
      "div",
      { class: "switch", role: "group", "aria-label": t.sides.switchLabel },
      one("agent", TEXTS[this.agentLanguage].sides.agent),
      one("customer", t.sides.customer),
    );
  }

  private languages(t: Texts): HTMLElement {
    const list = h(
      "select",
      { id: "language", "aria-label": t.tools.language },
      ...LANGUAGES.map((one) =>
        h("option", { value: one, lang: TEXTS[one].tag, selected: one === this.language }, TEXTS[one].name),
      ),
    );
    list.addEventListener("change", () => this.choose(list.value as Language));
    return h("label", { class: "language" }, icon("globe"), list);
  }

  private drawMeter(): void {
    const t = TEXTS[this.language];
    const held = this.footer.contains(document.activeElement);
    this.footer.lang = t.tag;
    this.footer.replaceChildren(
      meterView(this.counter.meter.totals(), t, this.meterOpen, (open) => (this.meterOpen = open)),
    );
    if (held) this.footer.querySelector("summary")?.focus();
  }
}

function tool(id: string, picture: Parameters<typeof icon>[0], words: string, on: boolean, press: () => void): HTMLElement {
  return h(
    "button",
    { id, type: "button", class: "tool", "aria-pressed": String(on), title: words, onclick: press },
    icon(picture),
    h("span", { class: "unseen" }, words),
  );
}

/** The product's mark: two halves that fit. */
function mark(): SVGElement {
  return s(
    "svg",
    { class: "mark", viewBox: "0 0 48 48", "aria-hidden": "true", focusable: "false" },
    s("path", { d: "M24 4a20 20 0 0 0 0 40c-7-6-7-14 0-20s7-14 0-20z" }),
    s("path", { class: "half", d: "M24 4a20 20 0 0 1 0 40c-7-6-7-14 0-20s7-14 0-20z" }),
  );
}
