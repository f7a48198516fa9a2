/**
 * Advice that does not flicker. Every picture has advice of its own; a person gets one sentence at a
 * time, long enough to read it.
 */

/** A new advice must hold for so long before it is shown. */
const HOLDS_MS = 300;
/** What is shown stays for so long. */
const STAYS_MS = 1_200;

export class Steady<T> {
  private shown: T | undefined;
  private shownAt = -Infinity;
  private next: T | undefined;
  private nextAt = 0;

  constructor(private readonly clock: () => number = () => performance.now()) {}

  /** Take the newest advice; returns what is to be shown. The first one is shown at once. */
  take(value: T): T {
    const now = this.clock();
    if (this.shown === undefined) return this.show(value, now);
    if (value === this.shown) {
      this.next = undefined;
      return this.shown;
    }
    if (value !== this.next) {
      this.next = value;
      this.nextAt = now;
    }
    const due = now - this.nextAt >= HOLDS_MS && now - this.shownAt >= STAYS_MS;
    return due ? this.show(value, now) : this.shown;
  }

  private show(value: T, now: number): T {
    this.shown = value;
    this.shownAt = now;
    this.next = undefined;
    return value;
  }
}
