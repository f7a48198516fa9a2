/** The screens' words by language, and the messages that the Python client shares. */

import type { Language } from "../ports";
import { en, type Texts } from "./en";
import { es } from "./es";
import { zh } from "./zh";

export type { Texts };
export const TEXTS: Record<Language, Texts> = { en, zh, es };

/** A message by its name; what is no name of a message is given as it is. */
export function message(
  name: string,
  language: Language,
  prompts: Record<Language, Record<string, string>>,
): string {
  return prompts[language][name] ?? name;
}
