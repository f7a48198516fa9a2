/**
 * What can go wrong in the page, as one tree. An error has a code, for which every language has
 * words; values fill these words. No error holds a vector, a key, a salt or a document number.
 *
 *     Fault
 *       Malformed     these bytes are not the one valid encoding of what was expected
 *       Refused       trust, freshness, or a limit: another attempt of the same kind fails, too
 *       Unavailable   somebody does not answer; the registration can be started again
 *       Misuse        our own code called something wrongly
 */

export type Values = Readonly<Record<string, string | number>>;

export class Fault extends Error {
  /** In which step of a registration it happened; null outside of one. */
  step: string | null = null;

  constructor(
    readonly code: string,
    readonly values: Values = {},
  ) {
    super(code);
    this.name = new.target.name;
  }
}

export class Malformed extends Fault {}

export class Refused extends Fault {}

export class Unavailable extends Fault {
  constructor(
    code: string,
    values: Values = {},
    /** Seconds after which it is worth trying again, where that is known. */
    readonly retryAfter: number | null = null,
  ) {
    super(code, values);
  }
}

export class Misuse extends Fault {}

/** Runs one step of a registration; a fault that leaves it carries its name. */
export async function step<T>(name: string, run: () => Promise<T> | T): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Fault) error.step ??= name;
    throw error;
  }
}
