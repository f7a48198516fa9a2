/**
 * The agent's side during the customer's turn: what the customer sees, to be read aloud to whoever
 * cannot see or read, and a stop. It never shows the camera's picture.
 */

import type { Desk } from "./desk";
import { h } from "./dom";
import { icon } from "./icons";
import { button, buttons, heading } from "./parts";
import { TEXTS, type Texts } from "./texts";

/** What is said: by its text in a language. */
export type Said = (language: "agent" | "customer") => string;

export class Watching {
  private readonly now = h("p", { class: "now" });
  private readonly told = h("div", { class: "doubt" });
  private readonly short = h("div", { class: "short" });
  private last: (() => void) | null = null;
  private readonly aloud = h("blockquote", { class: "aloud" });
  private readonly t: Texts;

  constructor(
    private readonly desk: Desk,
    private readonly stop: () => void,
  ) {
    this.t = TEXTS[desk.agentLanguage];
  }

  readonly view = (): HTMLElement =>
    h(
      "div",
      { class: "screen watching" },
      heading(this.t.agent.watching),
      this.told,
      this.short,
      h("h3", {}, icon("sound"), this.t.agent.readAloud),
      this.aloud,
      h("p", { class: "hint" }, this.t.agent.hand),
      buttons(button(this.t.agent.stop, this.stop, { id: "stop", picture: "cross" })),
    );

  /** What the agent alone must know of this try; nothing: it is taken away. It is not announced,
   * because whoever stands there would hear it. */
  note(told: HTMLElement | null): void {
    this.told.replaceChildren(...(told ? [told] : []));
  }

  /** Say the last thing again, in whatever language the customer has now. */
  refresh(): void {
    this.last?.();
  }

  /** `short`: the screen in a few words. `aloud`: all that it says, in the customer's language. */
  say(short: Said, aloud: Said = short): void {
    this.last = () => this.say(short, aloud);
    const here = short("agent");
    const words = aloud("customer");
    if (this.now.textContent !== here) this.now.textContent = here;
    if (!this.short.childElementCount) {
      this.short.replaceChildren(h("h3", {}, this.t.agent.now), this.now);
    }
    this.short.hidden = here === words;
    this.aloud.lang = TEXTS[this.desk.language].tag;
    if (this.aloud.textContent !== words) this.aloud.textContent = words;
  }

  /** Say a message by its name. */
  message(name: string): void {
    this.say((who) => this.desk.words(name, this.language(who)));
  }

  /** Say words of the screens. */
  text(pick: (t: Texts) => string): void {
    this.say((who) => pick(TEXTS[this.language(who)]));
  }

  private language(who: "agent" | "customer"): Desk["language"] {
    return who === "agent" ? this.desk.agentLanguage : this.desk.language;
  }
}
