/**
 * A model pack for the page: the files of its manifest, each compared with its pinned SHA-256.
 *
 * Rule: the runtime sees no byte that was not compared. Manifest and quality profile come from the
 * counter's own process, whose release pins them.
 */

import type { QualityProfile } from "./quality/profile";

/** What of a manifest (`gateway/vision/packs`) the page reads. */
export interface Manifest {
  readonly id: string;
  readonly dimension: number;
  readonly files: Readonly<Record<string, { readonly sha256: string; readonly bytes: number }>>;
}

/** The models of the page's recipe. */
export const MODELS = [
  "fr_detect.onnx",
  "fr_landmark.onnx",
  "fr_feature.onnx",
  "fr_eye.onnx",
  "fr_liveness.onnx",
] as const;

export type ModelName = (typeof MODELS)[number];

export interface Pack {
  readonly dimension: number;
  readonly quality: QualityProfile;
  readonly contents: Readonly<Record<ModelName, Uint8Array<ArrayBuffer>>>;
}

/** A file of the pack is missing, or is not the one that its manifest pins. */
export class PackRefused extends Error {
  override readonly name = "PackRefused";
}

/**
 * Read and compare the models of the recipe.
 *
 * @param read gives the bytes of one file by its name.
 * @throws PackRefused
 */
export async function loadPack(
  manifest: Manifest,
  quality: QualityProfile,
  read: (name: ModelName) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<Pack> {
  const verified = MODELS.map(async (name) => {
    const pinned = manifest.files[name];
    if (pinned === undefined) throw new PackRefused(`the model pack has no file ${name}`);
    const content = await read(name);
    if (content.length !== pinned.bytes || (await sha256(content)) !== pinned.sha256) {
      throw new PackRefused(`${name} is not the file that the model pack's manifest pins`);
    }
    return [name, content] as const;
  });
  const contents = Object.fromEntries(await Promise.all(verified)) as Pack["contents"];
  return { dimension: manifest.dimension, quality, contents };
}

async function sha256(content: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
