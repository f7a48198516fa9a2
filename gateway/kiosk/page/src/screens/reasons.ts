/** Why something did not work, for the agent: in words where there are some, and the code. */

import type { Desk } from "./desk";
import { h } from "./dom";
import type { Ended } from "./ports";
import { TEXTS } from "./texts";
import { faultWords, saysMore } from "./texts/faults";

/** One paragraph for each sentence, in the agent's language; what the process says is English. */
export function reasons(desk: Desk, ended: Ended): HTMLElement[] {
  const language = desk.agentLanguage;
  const { code, values = {}, detail } = ended.more;
  const words = faultWords(code, values, language);
  const advice = ended.advice ? desk.words(ended.advice, language) : null;
  const told = [words, advice].filter((one) => one !== null);
  const more = detail && (saysMore(code) || told.length === 0) ? detail : null;
  if (more === null && told.length === 0) told.push(TEXTS[language].ended[ended.ending]);
  return [
    ...told.map((one) => h("p", {}, one)),
    ...(more === null ? [] : [h("p", { class: "hint", lang: "en" }, more)]),
  ];
}
