/** A pack's quality profile as its JSON has it (gateway/vision/quality_profile.py). */

interface Direction {
  readonly name: string;
  /** Base64 of little-endian float16. */
  readonly values: string;
}

export interface Limit {
  readonly least?: number | null;
  readonly most?: number | null;
}

export interface QualityProfile {
  readonly format: string;
  readonly measures: string;
  readonly limits: Readonly<Record<string, Limit>>;
  readonly discriminants?: {
    readonly clip: number;
    readonly clouds: readonly Direction[];
    readonly shape: { readonly mean: string; readonly directions: readonly Direction[] } | null;
    readonly features: readonly {
      readonly name: string;
      readonly mean: number;
      readonly deviation: number;
    }[];
    readonly detectors: readonly {
      readonly kind: string;
      readonly finding: string;
      readonly weights: string;
      readonly most: number;
    }[];
  } | null;
}

/** Numbers of a profile: base64 of little-endian float16, widened. */
export function unpacked(encoded: string): Float32Array {
  const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i += 1) {
    values[i] = half(bytes[2 * i]! | (bytes[2 * i + 1]! << 8));
  }
  return values;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
