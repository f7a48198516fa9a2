/**
 * A count: numbers light up at moments that nobody knew, and the mouth opens for each. The rules of
 * gateway/client/liveness/counting.py, where they are explained. No word is recognised.
 */

import type { Counting } from "../wire/liveness";
import type { Action } from "./detectors";
import { client } from "./limits";
import { middle } from "./numbers";

const limits = client.counting;

/** No answer to a number; or openings at other moments. */
export type Fault = "missed" | "uneven";

/** One count, from when it was asked for. */
export class Count {
  readonly answers: Action[] = [];
  fault: Fault | null = null;
  private readonly moments: readonly number[];

  constructor(
    private readonly counting: Counting,
    askedMs: number,
    private readonly reactionMs: number,
  ) {
    this.moments = counting.moments.map((moment) => askedMs + moment);
  }

  get complete(): boolean {
    return this.fault === null && this.answers.length === this.moments.length;
  }

  /** The number that is lit: 1, 2, ...; null before the first one. */
  lit(atMs: number): number | null {
    return this.until(atMs) || null;
  }

  /** Take an opening that was found. */
  take(opening: Action): void {
    const number = this.until(opening.startMs - this.reactionMs) - 1;
    if (number < 0 || this.fault !== null) return; // before the first number lit up
    if (number === this.answers.length) this.answer(opening, this.moments[number]!);
    else if (number > this.answers.length) this.fault = "missed";
    else if (opening.startMs - this.answers.at(-1)!.startMs > limits.wordMs) this.fault = "uneven";
  }

  /** Time goes on: a number may stay without an answer. */
  watch(atMs: number): void {
    if (this.fault !== null || this.complete) return;
    const last = this.moments[this.answers.length]! + this.counting.latestMs;
    if (atMs > last + limits.confirmMs) this.fault = "missed";
  }

  /** How many numbers had lit up. */
  private until(atMs: number): number {
    return this.moments.filter((moment) => moment <= atMs).length;
  }

  private answer(opening: Action, moment: number): void {
    if (opening.startMs - moment > this.counting.latestMs) {
      this.fault = "uneven";
      return;
    }
    this.answers.push(opening);
    if (this.complete && !this.even()) this.fault = "uneven";
  }

  /** Whether every answer came about as late as this person's usual one. */
  private even(): boolean {
    const delays = this.answers.map((answer, i) => answer.startMs - this.moments[i]!);
    const usual = middle(delays);
    return delays.every((delay) => Math.abs(delay - usual) <= this.counting.toleranceMs);
  }
}
