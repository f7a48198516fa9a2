/**
 * The one place that runs ONNX models: onnxruntime-web's WASM, one thread, no proxy.
 *
 * A session is made of bytes whose SHA-256 was compared (`pack`). Runs queue behind one another:
 * the runtime takes one at a time.
 */

import * as ort from "onnxruntime-web/wasm";

ort.env.wasm.numThreads = 1;
ort.env.wasm.proxy = false;
ort.env.logLevel = "error";

/** One model with one input, called `input`. */
export class Model {
  private constructor(private readonly session: ort.InferenceSession) {}

  static async of(content: Uint8Array): Promise<Model> {
    const options = { executionProviders: ["wasm"], logSeverityLevel: 3 as const };
    return new Model(await ort.InferenceSession.create(content, options));
  }

  /**
   * Outputs by name; they are the caller's own. `values` are overwritten: they may show a face. The
   * runtime's memory holds copies of both until its worker ends.
   */
  async run(
    values: Float32Array,
    shape: readonly number[],
  ): Promise<Readonly<Record<string, Float32Array>>> {
    const input = new ort.Tensor("float32", values, shape);
    const name = this.session.inputNames[0]!;
    const results = await this.session.run({ [name]: input });
    values.fill(0);
    return Object.fromEntries(
      this.session.outputNames.map((output) => [output, results[output]!.data as Float32Array]),
    );
  }

  /** The only output of a model that has one. */
  async one(values: Float32Array, shape: readonly number[]): Promise<Float32Array> {
    const outputs = await this.run(values, shape);
    return outputs[this.session.outputNames[0]!]!;
  }
}

/** Probabilities of a model's raw outputs. */
export function softmax(raw: ArrayLike<number>): number[] {
  const values = Array.from(raw);
  const most = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}
