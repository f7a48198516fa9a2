/** Receipts that are waited for: the agent sees how many, of which orders, and asks for them. */

import type { Desk } from "./desk";
import { filled, h } from "./dom";
import { icon } from "./icons";
import { button, buttons, note } from "./parts";
import { Ended, type Finished, type Waiting, type WaitingReceipt } from "./ports";
import { reasons } from "./reasons";
import { minute } from "./receipt";
import { TEXTS } from "./texts";

/**
 * A list of them, empty while there is none.
 *
 * @param done gets a receipt that came.
 */
export function waitingReceipts(
  desk: Desk,
  signal: AbortSignal,
  done: (finished: Finished) => void,
): HTMLElement {
  const t = TEXTS[desk.agentLanguage];
  const place = h("section", { class: "waiting", "aria-label": t.waiting.label, hidden: true });
  const draw = ({ receipts, closed }: Waiting): void => {
    const all = receipts.length + closed.length;
    place.hidden = all === 0;
    if (place.hidden) return place.replaceChildren();
    const heading = all === 1 ? t.waiting.one : filled(t.waiting.many, { n: all });
    place.replaceChildren(
      h("h3", {}, icon("wait"), " ", heading),
      ...(receipts.length === 0 ? [] : [h("p", {}, t.waiting.text)]),
      h("ul", {}, ...receipts.map((one) => row(one)), ...(closed.length === 0 ? [] : [unopened(closed)])),
    );
  };
  const refresh = async (): Promise<void> => {
    const waiting = await desk.counter.waiting().catch(() => null);
    if (!signal.aborted && waiting !== null) draw(waiting);
  };

  /** Of these nothing can be told, not even the order. */
  function unopened(ids: readonly string[]): HTMLElement {
    const dismiss = async (): Promise<void> => {
      for (const id of ids) await desk.counter.dismiss(id).catch(() => undefined);
      await refresh();
    };
    return h(
      "li",
      {},
      h("p", {}, filled(t.waiting.closed, { n: ids.length })),
      h("p", { class: "hint" }, t.waiting.closedText),
      buttons(button(t.waiting.dismiss, () => void dismiss(), { id: "dismiss-closed" })),
    );
  }

  function row({ id, order, sentAt }: WaitingReceipt): HTMLElement {
    const told = h("div", { role: "status" });
    const ask = async (): Promise<void> => {
      told.replaceChildren(note([t.agent.asking], "wait"));
      try {
        const finished = await desk.counter.collect(id, signal);
        if (!signal.aborted) done(finished);
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof Ended)) throw error;
        const left = await desk.counter.waiting().catch(() => null);
        told.replaceChildren(...ended(error, left?.receipts.every((one) => one.id !== id) ?? false));
      }
    };
    const dismiss = (): Promise<void> => desk.counter.dismiss(id).then(refresh, refresh);
    /** `settled`: the gateway says that there is no receipt. */
    const ended = (error: Ended, settled: boolean): HTMLElement[] => [
      note(reasons(desk, error), "info"),
      ...(error.more.reference
        ? [h("dl", {}, h("dt", {}, t.agent.reference), h("dd", {}, h("code", {}, error.more.reference)))]
        : []),
      ...(settled
        ? []
        : [
            h("p", { class: "hint" }, t.waiting.dismissText),
            buttons(button(t.waiting.dismiss, () => void dismiss(), { id: `dismiss-${id}` })),
          ]),
    ];
    return h(
      "li",
      {},
      h("p", {}, `${minute(sentAt)} · ${t.waiting.order}: `, h("b", {}, order)),
      buttons(button(t.agent.ask, () => void ask(), { id: `collect-${id}`, picture: "again" })),
      told,
    );
  }

  void refresh();
  return place;
}
