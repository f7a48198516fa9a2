/** How it ends: the outcome, a try that did not work, an ending without a decision. */

import { thisCounter } from "./agent";
import type { Desk } from "./desk";
import { filled, h } from "./dom";
import { promptFace } from "./faces";
import { adviceIcon, icon } from "./icons";
import { button, buttons, clauses, command, heading, note, save } from "./parts";
import type { Action, Ended, Ending, Finished } from "./ports";
import { reasons } from "./reasons";
import { fileName, minute, paper, print, qr, reference } from "./receipt";
import { TEXTS, type Texts } from "./texts";

/** The customer's outcome: one sentence, and the receipt in their hands. */
export function outcome(desk: Desk, finished: Finished, again: () => void): (t: Texts) => HTMLElement {
  return (t) => {
    const match = finished.outcome === "MATCH";
    const saved = h("p", { class: "hint", role: "status" });
    const keep = (name: string, content: Uint8Array): void => {
      save(name, content);
      desk.counter.collected();
      saved.textContent = filled(t.result.saved, { name });
    };
    const onPaper = (): void => {
      print(paper(finished, t, desk.language, desk.counter.settings));
      desk.counter.collected();
    };
    const name = fileName(finished);
    return h(
      "div",
      { class: `screen result ${match ? "match" : "no-match"}` },
      h("div", { class: "verdict" }, icon(match ? "check" : "again", "huge"), heading(t.result[finished.outcome], "outcome")),
      h("p", { class: "large" }, t.result[`${finished.outcome}_TEXT`]),
      match ? null : buttons(button(t.result.again, again, { id: "again", kind: "main", picture: "again" })),
      h(
        "section",
        { class: "receipt" },
        qr(reference(finished), t.result.qr),
        h(
          "div",
          {},
          h("h3", {}, t.result.receipt),
          h("p", {}, t.result.qrText),
          h(
            "dl",
            {},
            h("dt", {}, t.result.decided),
            h("dd", {}, minute(finished.decidedAt)),
            h("dt", {}, t.result.record),
            h("dd", {}, `${finished.recordId.slice(0, 16)}…`),
          ),
          buttons(
            button(t.result.print, () => onPaper(), { id: "print", picture: "print" }),
            button(t.result.save, () => keep(name, finished.receipt), { id: "save", picture: "save" }),
            button(t.result.saveOpening, () => keep(`${name}.opening`, finished.opening), { id: "save-opening", picture: "lock" }),
          ),
          h("p", { class: "hint" }, t.result.openingText),
          saved,
        ),
      ),
      match ? h("p", { class: "quiet" }, t.result.thanks) : null,
    );
  };
}

export interface RetryChoices {
  again: () => void;
  without: (action: Action) => void;
  turned: () => void;
  /** Whether this customer has tried often; the other way is then offered here as well. */
  tired: boolean;
  otherWay: () => void;
}

/** Advice about a movement shows the movement. */
const SHOWS: [RegExp, string][] = [
  [/^why-(blink-unclear|eyes-shut|eyes-stay-open|one-eye)$/, "ask-blink"],
  [/^why-mouth-(still|little|unclear)$/, "ask-open-mouth"],
  [/^why-number-/, "ask-count"],
];
const pictured = (advice: string): SVGElement => {
  const movement = SHOWS.find(([names]) => names.test(advice));
  return movement ? promptFace(movement[1]) : icon(adviceIcon(advice), "big");
};

const MIRRORS = ["why-mirrored", "why-other-side"];

/** A try that did not work: why, in one sentence, and what to change. */
export function retry(desk: Desk, ended: Ended, choices: RetryChoices): (t: Texts) => HTMLElement {
  return (t) => {
    const advice = ended.advice ?? "advice-time-ran-out";
    const exclude = ended.more.exclude;
    const mirrors = MIRRORS.includes(advice);
    const first = choices.tired ? "other" : mirrors ? "turn" : "again";
    const kind = (one: typeof first) => (one === first ? "main" : "plain");
    return h(
      "div",
      { class: "screen retry" },
      heading(t.retry.heading),
      h("p", { class: "advice" }, pictured(advice), h("span", {}, ...clauses(desk.words(advice)))),
      h("p", { class: "quiet" }, mirrors ? t.retry.mirrored : t.retry.fresh),
      buttons(
        choices.tired
          ? button(t.otherWay.button, choices.otherWay, { id: "tired", kind: "main", picture: "faceless" })
          : null,
        mirrors ? button(t.retry.mirroredAgain, choices.turned, { id: "turn-back", kind: kind("turn"), picture: "mirror" }) : null,
        button(t.retry.again, choices.again, { id: "again", kind: kind("again"), picture: "again" }),
        exclude
          ? button(filled(t.retry.without, { action: t.actions[exclude.kind] }), () => choices.without(exclude.kind), { id: "without-action" })
          : null,
      ),
    );
  };
}

/** Endings after which another try may go differently. */
const AGAIN: readonly Ending[] = ["inconclusive", "camera", "refused", "unavailable", "failed"];

/** An ending without a decision, for the customer. */
export function ending(desk: Desk, ended: Ended, again: () => void): (t: Texts) => HTMLElement {
  return (t) =>
    h(
      "div",
      { class: "screen ended" },
      h("div", { class: "verdict" }, icon(ended.ending === "camera" ? "camera" : "info", "huge"), heading(t.ended[ended.ending])),
      h("p", { class: "large" }, t.ended.text[ended.ending]),
      ended.advice ? h("p", { class: "advice" }, icon(adviceIcon(ended.advice), "big"), h("span", {}, desk.words(ended.advice))) : null,
      AGAIN.includes(ended.ending)
        ? buttons(button(t.ended.again, again, { id: "again", kind: "main", picture: "again" }))
        : null,
    );
}

/** The agent's side of any ending. `doubted`: what the passive check said of the try. */
export function agentEnding(
  desk: Desk,
  what: Finished | Ended,
  doubted: boolean,
  next: () => void,
  ask: () => void,
): HTMLElement {
  const t = TEXTS[desk.agentLanguage];
  const words = t.agent;
  const finished = "outcome" in what ? what : null;
  const ended = "ending" in what ? what : null;
  const undecided = ended?.ending === "recorded" || ended?.ending === "unknown";
  const told = finished
    ? finished.outcome === "MATCH" ? words.doneMatch : words.doneNoMatch
    : ended?.ending === "unproven" ? t.ended.text.unproven
    : undecided ? words.undecidedText : words.endedText;
  const reason = ended ? reasonOf(ended.ending) : finished?.outcome === "NO_MATCH" ? "no-match" : null;
  return h(
    "div",
    { class: "screen" },
    heading(finished ? t.result[finished.outcome] : t.ended[ended!.ending]),
    h("p", { class: "large" }, told),
    doubted ? doubt(desk) : null,
    finished ? h("ul", { class: "facts" }, h("li", {}, icon("lock"), words.how[finished.checks.portrait])) : null,
    ended ? details(ended, t, desk) : null,
    finished?.outcome === "MATCH"
      ? buttons(button(words.saveActivation, () => save(`${fileName(finished)}.activation`, finished.activationOpening), { id: "save-activation", picture: "save" }))
      : null,
    undecided ? buttons(button(words.ask, ask, { id: "ask-again", kind: "main", picture: "again" })) : null,
    reason && !undecided ? withoutFace(reason, t, t.otherWay.button) : null,
    ended?.ending === "refused" ? thisCounter(desk, t) : null,
    undecided ? nextCustomer(t, next, t.agent.nextUndecidedText, "plain") : nextCustomer(t, next),
  );
}

/** The picture looked like a photograph or a screen: the agent looks, and the customer is not told. */
export const doubt = (desk: Desk): HTMLElement =>
  note([desk.words("passive-warning", desk.agentLanguage)], "info");

const nextCustomer = (
  t: Texts,
  next: () => void,
  hint = t.agent.nextText,
  kind: "main" | "plain" = "main",
): HTMLElement =>
  h(
    "div",
    { class: "next" },
    buttons(button(t.agent.next, next, { id: "next", kind, picture: "again" })),
    h("p", { class: "hint" }, hint),
  );

function details(ended: Ended, t: Texts, desk: Desk): HTMLElement {
  const { code, detail, reference: under } = ended.more;
  const known = code ?? detail ?? ended.advice;
  return h(
    "dl",
    {},
    ...(known ? [h("dt", {}, t.agent.detail), h("dd", {}, ...reasons(desk, ended))] : []),
    ...(under ? [h("dt", {}, t.agent.reference), h("dd", {}, h("code", {}, under))] : []),
  );
}

/** Codes of a registration without a face, as `gateway/client/without_face.py` gives them. */
const REASONS: Record<Ending, string> = {
  inconclusive: "not-possible",
  "not-possible": "not-possible",
  camera: "equipment",
  failed: "equipment",
  locked: "locked",
  refused: "unavailable",
  unavailable: "unavailable",
  recorded: "unavailable",
  unknown: "unavailable",
  unproven: "unavailable",
};

export const reasonOf = (ended: Ending): string => REASONS[ended];

/** How the agent goes on without a face. */
export function withoutFace(reason: string, t: Texts, headed: string | null = null): HTMLElement {
  return h(
    "section",
    { class: "fallback" },
    headed ? h("h3", {}, headed) : null,
    h("p", {}, t.agent.fallbackText),
    h("code", { class: "command" }, ...command(`sealmatch fallback request REQUEST --reason ${reason} --means CODES`)),
    h("p", {}, t.agent.fallbackThen),
  );
}
