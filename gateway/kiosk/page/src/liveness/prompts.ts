/** What the person reads: message ids; `texts.json` has a text for each in every language. */

import type { ActionKind, AttemptReason } from "../wire/liveness";
import { texts } from "./limits";

export const LANGUAGES = Object.keys(texts) as Language[];
export type Language = keyof typeof texts;
export type MessageId = keyof (typeof texts)["en"];

export const ask = (kind: ActionKind): MessageId => `ask-${kind}`;
export const adviceOf = (reason: AttemptReason): MessageId => `advice-${reason}`;

export const text = (message: MessageId, language: Language): string => texts[language][message];
