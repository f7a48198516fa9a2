/** What people read: whole in every language, and without words that only a terminal's user knows. */

import { describe, expect, it } from "vitest";

import { texts } from "../../src/liveness/limits";
import { adviceIcon } from "../../src/screens/icons";
import { Counted } from "../../src/screens/meter";
import { ACTIONS, LANGUAGES, type Settings } from "../../src/screens/ports";
import { message, TEXTS } from "../../src/screens/texts";
import { FAULTS, faultWords, saysMore } from "../../src/screens/texts/faults";

const prompts = texts as unknown as Settings["prompts"];
const SHOWN = Object.keys(texts.en);
const places = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();

function leaves(value: unknown, path = ""): [string, string][] {
  if (typeof value === "string") return [[path, value]];
  return Object.entries(value as object).flatMap(([name, one]) => leaves(one, `${path}.${name}`));
}

describe.each(LANGUAGES)("in %s", (language) => {
  it("each message is worded", () => {
    for (const name of SHOWN) expect(message(name, language, prompts), name).not.toBe(name);
  });

  it("no text names an option of a command, which a page does not have", () => {
    const all = [prompts[language], TEXTS[language], FAULTS[language]].flatMap((one) => leaves(one));
    expect(all.filter(([, words]) => words.includes("--"))).toEqual([]);
    expect(all.length).toBeGreaterThan(250);
  });

  it("each reason has words, with the places to fill in that the English ones have", () => {
    expect(Object.keys(FAULTS[language])).toEqual(Object.keys(FAULTS.en));
    for (const [code, english] of Object.entries(FAULTS.en)) {
      expect(places(FAULTS[language][code]!), code).toEqual(places(english));
    }
    expect(faultWords("clock-differs", { seconds: 612 }, language)).toContain("612");
  });

  it("each text has the places to fill in that the English one has", () => {
    const own = new Map(leaves(TEXTS[language]));
    for (const [path, english] of leaves(TEXTS.en)) {
      expect(places(own.get(path) ?? ""), path).toEqual(places(english));
      expect(own.get(path), path).not.toBe("");
    }
  });

  it("each movement has a name and a prompt", () => {
    for (const kind of ACTIONS) {
      expect(TEXTS[language].actions[kind]).toBeTruthy();
      expect(prompts[language][`ask-${kind}`]).toBeTruthy();
    }
  });
});

it("each advice about the picture has a picture of its own", () => {
  const live = ["no-face", "several-faces", "come-closer", "too-dark", "too-bright", "look-straight"];
  expect(new Set(live.map(adviceIcon)).size).toBe(live.length);
});

it("the process's own sentence stands only where the words say less", () => {
  expect(saysMore("KIOSK.NOT_NAMED")).toBe(false);
  expect(saysMore("KIOSK.NOT_ACCEPTED")).toBe(true);
  expect(faultWords("KIOSK.NOT_NAMED", {}, "en")).toContain("No chip lies at the reader");
  expect(faultWords("bad-signature", {}, "en")).toBe(faultWords("session-key", {}, "en"));
  expect(faultWords("of-tomorrow", {}, "en")).toBeNull();
});

it("the meter adds up what was sent by its kind, and forgets it", () => {
  const meter = new Counted();
  let told = 0;
  meter.onChange(() => (told += 1));
  meter.sent("request", 700);
  meter.sent("submission", 748_000);
  meter.sent("request", 300);
  expect(meter.totals()).toEqual({ request: 1000, submission: 748_000, question: 0 });
  meter.clear();
  expect(meter.totals()).toEqual({ request: 0, submission: 0, question: 0 });
  expect(told).toBe(4);
});
