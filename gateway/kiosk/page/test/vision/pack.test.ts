import { describe, expect, it } from "vitest";

import { type Manifest, loadPack, MODELS, PackRefused } from "../../src/vision/pack";
import { QualityGate, ProfileRefused } from "../../src/vision/quality/gate";
import type { LandmarkFinder } from "../../src/vision/landmarks";

const content = new TextEncoder().encode("a model");
const profile = { format: "sealmatch-face-quality/1", measures: "face-quality/1", limits: {} };

async function manifestOf(bytes: Uint8Array<ArrayBuffer>): Promise<Manifest> {
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", bytes)).toString("hex");
  const pinned = { sha256: digest, bytes: bytes.length };
  return { id: "toy", dimension: 4, files: Object.fromEntries(MODELS.map((one) => [one, pinned])) };
}

describe("a model pack", () => {
  it("is taken if each file is the one that is pinned", async () => {
    const pack = await loadPack(await manifestOf(content), profile, async () => content);
    expect(Object.keys(pack.contents)).toEqual([...MODELS]);
  });

  it("is refused if one byte of one file is another", async () => {
    const other = content.slice();
    other[3]! ^= 1;
    const loading = loadPack(await manifestOf(content), profile, async (name) =>
      name === "fr_eye.onnx" ? other : content,
    );
    await expect(loading).rejects.toThrow(PackRefused);
    await expect(loading).rejects.toThrow("fr_eye.onnx");
  });

  it("is refused if it lacks a file", async () => {
    const manifest = { ...(await manifestOf(content)), files: {} };
    await expect(loadPack(manifest, profile, async () => content)).rejects.toThrow(PackRefused);
  });
});

describe("a quality profile", () => {
  const none = null as unknown as LandmarkFinder;

  it("judges by its limits, both ends included", () => {
    const gate = new QualityGate({ ...profile, limits: { roll: { most: 60 } } }, none);
    expect(gate.judge({ roll: 60 })).toBe("good");
    expect(gate.judge({ roll: 60.1 })).toBe("not-upright");
    expect(gate.judge({ roll: Number.NaN })).toBe("not-upright");
  });

  it("is refused if it speaks of a measure that is unknown here", () => {
    const make = (): QualityGate => new QualityGate({ ...profile, limits: { beauty: {} } }, none);
    expect(make).toThrow(ProfileRefused);
    expect(() => new QualityGate({ ...profile, measures: "face-quality/2" }, none)).toThrow();
  });
});
