/** What leaves this machine, counted and shown while it happens. */

import { filled, h } from "./dom";
import type { Meter, SentKind } from "./ports";
import { SENT_KINDS } from "./ports";
import type { Texts } from "./texts";

/** Counts bytes by kind. It is told by whoever hands bytes to the network. */
export class Counted implements Meter {
  private bytes: Record<SentKind, number> = { request: 0, submission: 0, question: 0 };
  private readonly listeners: (() => void)[] = [];

  sent(kind: SentKind, bytes: number): void {
    this.bytes[kind] += bytes;
    this.tell();
  }

  totals(): Record<SentKind, number> {
    return { ...this.bytes };
  }

  clear(): void {
    this.bytes = { request: 0, submission: 0, question: 0 };
    this.tell();
  }

  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

export function size(bytes: number, t: Texts): string {
  return bytes < 1000
    ? filled(t.units.bytes, { n: bytes })
    : filled(t.units.kilobytes, { n: Math.round(bytes / 1000) });
}

/** The meter as it stands now. `open`: whether its kinds are shown. */
export function meterView(
  totals: Record<SentKind, number>,
  t: Texts,
  open: boolean,
  onToggle: (open: boolean) => void,
): HTMLElement {
  const all = SENT_KINDS.reduce((sum, kind) => sum + totals[kind], 0);
  const kinds = SENT_KINDS.filter((kind) => totals[kind] > 0);
  const view = h(
    "details",
    { class: "meter", open },
    h(
      "summary",
      {},
      h("span", { class: "meter-title" }, t.meter.title),
      h("span", { class: "meter-none" }, t.meter.pictures),
      h(
        "span",
        { class: "meter-sum", "data-bytes": all },
        all ? filled(t.meter.sent, { size: size(all, t) }) : t.meter.nothing,
      ),
    ),
    h(
      "ul",
      {},
      h("li", {}, t.meter.pictures),
      h("li", {}, t.meter.face),
      ...kinds.map((kind) =>
        h("li", { "data-kind": kind }, filled(t.meter[kind], { size: size(totals[kind], t) })),
      ),
    ),
    h("p", {}, t.meter.explained),
  );
  view.addEventListener("toggle", () => onToggle(view.open));
  return view;
}
