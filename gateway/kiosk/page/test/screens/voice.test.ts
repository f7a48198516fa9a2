/** Only voices of this machine speak: another one would send the words to somebody. */

import { beforeEach, expect, it, vi } from "vitest";

import { Voice } from "../../src/screens/voice";

const voice = (lang: string, localService: boolean): SpeechSynthesisVoice =>
  ({ lang, localService, default: false, name: lang, voiceURI: lang }) as SpeechSynthesisVoice;

function speaking(voices: SpeechSynthesisVoice[]) {
  const spoken: { text: string; lang: string }[] = [];
  const speech = {
    getVoices: () => voices,
    cancel: () => undefined,
    speak: (one: { text: string; lang: string }) => spoken.push(one),
  };
  return { spoken, voice: new Voice(speech as unknown as SpeechSynthesis) };
}

beforeEach(() => {
  class Utterance {
    lang = "";
    constructor(readonly text: string) {}
  }
  vi.stubGlobal("SpeechSynthesisUtterance", Utterance);
});

it("a voice of somebody's server is silent", () => {
  const { spoken, voice: own } = speaking([voice("zh-CN", false), voice("en-GB", true)]);
  expect(own.speaks("zh")).toBe(false);
  expect(own.say("请看镜头", "zh")).toBe(false);
  expect(spoken).toEqual([]);
  expect(own.say("Look at the camera", "en")).toBe(true);
  expect(spoken).toMatchObject([{ text: "Look at the camera", lang: "en-GB" }]);
});

it("the same words are not said twice, and nothing is said when sound is off", () => {
  const { spoken, voice: own } = speaking([voice("es-ES", true)]);
  expect(own.say("Mire a la cámara", "es")).toBe(true);
  expect(own.say("Mire a la cámara", "es")).toBe(false);
  own.turn(false);
  expect(own.say("Acérquese", "es")).toBe(false);
  expect(spoken).toHaveLength(1);
});
