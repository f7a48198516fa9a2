/** The receipt in the customer's hands: QR code, paper, files. */

import encodeQR from "qr";
import { h, s } from "./dom";
import type { Finished, Language, Settings } from "./ports";
import type { Texts } from "./texts";

/** What the QR code says: it names the receipt and proves nothing (as the printed receipt's). */
export function reference(finished: Finished): string {
  return `sealmatch:receipt?record=${finished.recordId}&statement=${finished.statementDigest}`;
}

/** A QR code as one path, with the quiet border that readers need. */
export function qr(content: string, label: string): SVGElement {
  const rows = encodeQR(content, "raw", { ecc: "medium", border: 4 });
  const path = rows
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")))
    .join("");
  const side = rows.length;
  return s(
    "svg",
    { class: "qr", viewBox: `0 0 ${side} ${side}`, role: "img", "aria-label": label },
    s("rect", { width: side, height: side, fill: "#fff" }),
    s("path", { d: path, fill: "#000" }),
  );
}

export const minute = (at: number): string =>
  `${new Date(at * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;

export const fileName = (finished: Finished): string =>
  `receipt-${finished.recordId.slice(0, 8)}.receipt`;

/** The page that a printer gets, in the customer's language; the screen never shows it. */
export function paper(
  finished: Finished,
  t: Texts,
  language: Language,
  settings: Settings,
): HTMLElement {
  const rows: [string, string][] = [
    [t.result.decided, minute(finished.decidedAt)],
    [t.print.outlet, settings.names.outlet],
    [t.print.gateway, settings.names.gateway],
    [t.result.record, finished.recordId],
    [t.print.statement, finished.statementDigest],
  ];
  return h(
    "article",
    { class: "paper", lang: language },
    h("h2", {}, t.print.title),
    h("p", {}, t.print.about),
    h("p", { class: "paper-outcome" }, t.result[finished.outcome]),
    h("p", {}, t.result[`${finished.outcome}_TEXT`]),
    h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
    qr(reference(finished), t.result.qr),
    h("p", {}, t.print.kept),
    h("p", {}, t.print.check),
  );
}

/** What a browser that did not print left in the page. */
let left: HTMLElement | null = null;

/** Print the paper, and take it out of the page afterwards: at the latest before the next one. */
export function print(page: HTMLElement): void {
  left?.remove();
  left = page;
  document.body.append(page);
  const remove = (): void => page.remove();
  window.addEventListener("afterprint", remove, { once: true });
  window.print();
}
