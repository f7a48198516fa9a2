/**
 * Unit embeddings -> a probe ciphertext under a session's public key (protocol, sections 3 and 4).
 *
 * The work is done in a small WebAssembly module (`assembly/`), because JavaScript's numbers can
 * be compiled to code whose time depends on them. This file moves bytes in and out. All that is
 * secret lies between two addresses of the module's memory, and is overwritten after every call,
 * also after one that fails.
 *
 * Whoever calls has verified the authority's grant: nothing may be encrypted under another key.
 */

import { shake256 } from "@hpke/common";

import type { Bytes } from "../wire/bytes";
import { Malformed, Misuse } from "../wire/errors";
import { KEY_PRIMES, PROFILE, PUBLIC_KEY_BYTES } from "../wire/profile";
import { streamOf } from "./uniform";

/** A session's public key, verified: b in its canonical encoding, and the seed of a. */
export interface PublicKey {
  readonly b: Uint8Array;
  readonly aSeed: Uint8Array;
}

/** An embedding of length 1, of at most 512 values. */
export type Embedding = Float32Array | Float64Array;

/** Fills a view with random bytes. */
export type Draw = (into: Uint8Array<ArrayBuffer>) => void;

/** Largest embedding; shorter ones are padded with zeros. */
export const DIMENSION = 512;

const PATTERN_BYTES = 1536;

/** What the module exports (`assembly/index.ts`). Addresses are in bytes. */
export interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly PATTERNS: WebAssembly.Global;
  readonly KEY: WebAssembly.Global;
  readonly INPUT: WebAssembly.Global;
  readonly VECTOR: WebAssembly.Global;
  readonly ROTATED: WebAssembly.Global;
  readonly RANDOM: WebAssembly.Global;
  readonly RANDOM_BYTES: WebAssembly.Global;
  readonly TERNARY: WebAssembly.Global;
  readonly ERRORS: WebAssembly.Global;
  readonly OUTPUT: WebAssembly.Global;
  readonly OUTPUT_BYTES: WebAssembly.Global;
  readonly SECRET: WebAssembly.Global;
  readonly END: WebAssembly.Global;
  makeTables(): void;
  readHalf(): number;
  expandHalf(which: number, bytes: number): number;
  isUnit(): number;
  signs(lane: number): void;
  encrypt(): number;
  wipe(): void;
}

/** From the system's generator, which gives at most 65536 bytes at once. */
export function systemRandomness(into: Uint8Array<ArrayBuffer>): void {
  for (let at = 0; at < into.length; at += 65536) {
    crypto.getRandomValues(into.subarray(at, at + 65536));
  }
}

export class Bgv {
  private constructor(private readonly wasm: Exports) {}

  /** Instantiate the module, and make its tables: some 20 ms. */
  static async load(code: WebAssembly.Module): Promise<Bgv> {
    const instance = await WebAssembly.instantiate(code);
    const wasm = instance.exports as unknown as Exports;
    const label = new TextEncoder().encode(`sealmatch/${PROFILE}/frame`);
    view(wasm, wasm.PATTERNS, PATTERN_BYTES).set(shake256(label, { dkLen: PATTERN_BYTES }));
    wasm.makeTables();
    return new Bgv(wasm);
  }

  /**
   * Encrypt a probe, and in the other lane the action vector; without one, the probe again.
   *
   * Both vectors remain as they are: whoever made them overwrites them.
   *
   * @returns the canonical encoding, 344066 bytes.
   * @throws Malformed b is not the one valid encoding.
   * @throws Misuse a vector is too long, or its length is not 1.
   */
  async encryptProbe(
    key: PublicKey,
    probe: Embedding,
    action: Embedding | null,
    draw: Draw = systemRandomness,
  ): Promise<Bytes> {
    if (key.b.length !== PUBLIC_KEY_BYTES) throw new Malformed("session-key");
    const streams = await Promise.all(KEY_PRIMES.map((_, i) => streamOf(key.aSeed, i)));
    // From here on nothing waits: no other call sees this one's values.
    try {
      this.takeKey(key.b, streams);
      this.takeVector(0, probe);
      this.takeVector(1, action ?? probe);
      draw(this.view("RANDOM", this.size("RANDOM_BYTES")));
      if (this.wasm.encrypt() !== 1) throw new Misuse("randomness");
      return this.view("OUTPUT", this.size("OUTPUT_BYTES")).slice();
    } finally {
      this.wasm.wipe();
    }
  }

  private takeKey(b: Uint8Array, streams: readonly Uint8Array[]): void {
    this.view("INPUT", b.length).set(b);
    if (this.wasm.readHalf() !== 1) throw new Malformed("session-key");
    streams.forEach((stream, i) => {
      this.view("INPUT", stream.length).set(stream);
      if (this.wasm.expandHalf(i, stream.length) !== 1) throw new Malformed("session-key");
    });
  }

  private takeVector(lane: number, vector: Embedding): void {
    if (vector.length === 0 || vector.length > DIMENSION) throw new Misuse("embedding");
    const values = new Float64Array(this.wasm.memory.buffer, this.size("VECTOR"), DIMENSION);
    values.fill(0).set(vector);
    if (this.wasm.isUnit() !== 1) throw new Misuse("embedding");
    this.wasm.signs(lane);
  }

  private view(place: "INPUT" | "RANDOM" | "OUTPUT", bytes: number): Bytes {
    return view(this.wasm, this.wasm[place], bytes);
  }

  private size(name: "RANDOM_BYTES" | "OUTPUT_BYTES" | "VECTOR"): number {
    return this.wasm[name].value as number;
  }
}

function view(wasm: Exports, place: WebAssembly.Global, bytes: number): Bytes {
  return new Uint8Array(wasm.memory.buffer, place.value as number, bytes);
}
