/**
 * One worker for each customer. A model's memory cannot be overwritten from outside, and keeps its
 * last input and output, a face and its vector; so it ends with the customer. The next worker loads
 * its models while the agent types.
 */

import { Sighting } from "../workers/sighting";
import type { Looking, Sight } from "./sight";

interface Loading {
  readonly sighting: Sighting;
  readonly loaded: Promise<void>;
}

export class Renewed implements Sight {
  private now: Loading;

  /** `load`: makes a worker's models ready. What it throws is told to whoever looks. */
  constructor(
    private readonly load: (sighting: Sighting) => Promise<void>,
    private readonly start: () => Sighting = () => new Sighting(),
  ) {
    this.now = this.next();
  }

  async begin(): Promise<Looking> {
    const now = this.now;
    const { sighting, loaded } = now;
    await loaded.catch((error: unknown) => {
      if (this.now === now) this.forget(); // whoever looks once more finds another one loading
      throw error;
    });
    await sighting.begin();
    return sighting;
  }

  forget(): void {
    this.now.sighting.close();
    this.now = this.next();
  }

  private next(): Loading {
    const sighting = this.start();
    const loaded = this.load(sighting);
    loaded.catch(() => undefined); // told to whoever looks
    return { sighting, loaded };
  }
}
