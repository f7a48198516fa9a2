/**
 * What is heard: the browser's own voices where they work offline, and tones of our own.
 *
 * A voice that is not on this machine would send the words to somebody, so it is not used. Tones
 * say when something is asked for, was seen, or failed: whoever has closed the eyes hears when to
 * open them again.
 */

import type { Language } from "./ports";

export type Tone = "ask" | "lit" | "good" | "advice" | "failed" | "done";

/** Frequency in hertz and length in seconds of each note. */
const NOTES: Record<Tone, [number, number][]> = {
  ask: [[523, 0.12], [784, 0.18]],
  lit: [[660, 0.14]],
  good: [[880, 0.12]],
  advice: [[440, 0.16]],
  failed: [[392, 0.2], [294, 0.3]],
  done: [[523, 0.12], [659, 0.12], [784, 0.3]],
};
const LOUDNESS = 0.16;

export class Voice {
  private on = true;
  private context: AudioContext | null = null;
  private said = "";

  constructor(private readonly speech: SpeechSynthesis | null = globalThis.speechSynthesis ?? null) {}

  get isOn(): boolean {
    return this.on;
  }

  turn(on: boolean): void {
    this.on = on;
    if (!on) this.quiet();
  }

  /** Whether this machine itself can speak the language. */
  speaks(language: Language): boolean {
    return this.voice(language) !== null;
  }

  /** Say something once; what was being said stops. Returns whether it is spoken. */
  say(words: string, language: Language, ended: () => void = () => undefined): boolean {
    const voice = this.voice(language);
    if (!this.on || !voice || !this.speech || words === this.said) return false;
    this.speech.cancel();
    this.said = words;
    const spoken = new SpeechSynthesisUtterance(words);
    spoken.voice = voice;
    spoken.lang = voice.lang;
    spoken.rate = 0.95;
    spoken.onend = spoken.onerror = () => ended();
    this.speech.speak(spoken);
    return true;
  }

  quiet(): void {
    this.said = "";
    this.speech?.cancel();
  }

  tone(tone: Tone): void {
    if (!this.on || typeof AudioContext === "undefined") return;
    this.context ??= new AudioContext();
    if (this.context.state === "suspended") void this.context.resume();
    let at = this.context.currentTime + 0.02;
    for (const [frequency, length] of NOTES[tone]) {
      this.note(this.context, frequency, at, length);
      at += length;
    }
  }

  private note(context: AudioContext, frequency: number, at: number, length: number): void {
    const source = context.createOscillator();
    const loudness = context.createGain();
    source.frequency.value = frequency;
    loudness.gain.setValueAtTime(0, at);
    loudness.gain.linearRampToValueAtTime(LOUDNESS, at + 0.02);
    loudness.gain.linearRampToValueAtTime(0, at + length);
    source.connect(loudness).connect(context.destination);
    source.start(at);
    source.stop(at + length);
  }

  private voice(language: Language): SpeechSynthesisVoice | null {
    const mine = (this.speech?.getVoices() ?? []).filter(
      (one) => one.localService && one.lang.toLowerCase().startsWith(language),
    );
    return mine.find((one) => one.default) ?? mine[0] ?? null;
  }
}
