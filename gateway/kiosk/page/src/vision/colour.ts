/**
 * CIELAB (D65, sRGB) as OpenCV makes it of float32 channels: a table of 33 steps for each channel,
 * in 14 bits, and a trilinear look between them. The exact formula would differ by up to 0.3.
 */

import type { Rgb } from "./picture";
import { rounded } from "./picture";

const STEPS = 33;
const BASE = 2 ** 14;
const CELLS_SHIFT = 9; // 2 ** 14 in 32 cells
const PARTS_SHIFT = 5; // 16 parts of a cell
const PARTS = 16;

/** sRGB to XYZ over the white point, for red, green, blue. */
const TO_XYZ = [
  [0.412453 / 0.950456, 0.35758 / 0.950456, 0.180423 / 0.950456],
  [0.212671, 0.71516, 0.072169],
  [0.019334 / 1.088754, 0.119193 / 1.088754, 0.950227 / 1.088754],
] as const;

let tables: { readonly a: Int16Array; readonly b: Int16Array } | null = null;

/** Mean a* and b* over the pixels where `inside` is not zero. */
export function meanColour({ data }: Rgb, inside: Uint8Array): readonly [number, number] {
  tables ??= made();
  let [a, b, count] = [0, 0, 0];
  for (let i = 0; i < inside.length; i += 1) {
    if (inside[i] === 0) continue;
    const [red, green, blue] = [data[3 * i]!, data[3 * i + 1]!, data[3 * i + 2]!];
    a += between(tables.a, red, green, blue);
    b += between(tables.b, red, green, blue);
    count += 1;
  }
  return [(256 * a) / count - 128, (256 * b) / count - 128];
}

const FIXED = Int32Array.from({ length: 256 }, (_, level) =>
  rounded(Math.fround(Math.fround(level / 255) * BASE)),
);

/** One channel of the table between its steps, 0 to 1. */
function between(table: Int16Array, red: number, green: number, blue: number): number {
  const [r, g, b] = [FIXED[red]!, FIXED[green]!, FIXED[blue]!];
  const fr = (r >> PARTS_SHIFT) & (PARTS - 1);
  const fg = (g >> PARTS_SHIFT) & (PARTS - 1);
  const fb = (b >> PARTS_SHIFT) & (PARTS - 1);
  let sum = 0;
  for (let corner = 0; corner < 8; corner += 1) {
    const [onR, onG, onB] = [corner >> 2, (corner >> 1) & 1, corner & 1];
    const weight = (onR ? fr : PARTS - fr) * (onG ? fg : PARTS - fg) * (onB ? fb : PARTS - fb);
    if (weight === 0) continue; // the next step may not exist
    const step = at((r >> CELLS_SHIFT) + onR, (g >> CELLS_SHIFT) + onG, (b >> CELLS_SHIFT) + onB);
    sum += weight * table[step]!;
  }
  return ((sum + 2048) >> 12) / BASE;
}

const at = (red: number, green: number, blue: number): number =>
  (red * STEPS + green) * STEPS + blue;

function made(): { readonly a: Int16Array; readonly b: Int16Array } {
  const [a, b] = [new Int16Array(STEPS ** 3), new Int16Array(STEPS ** 3)];
  for (let red = 0; red < STEPS; red += 1) {
    for (let green = 0; green < STEPS; green += 1) {
      for (let blue = 0; blue < STEPS; blue += 1) {
        const linear = [red, green, blue].map((step) => unpressed(step / (STEPS - 1)));
        const [x, y, z] = TO_XYZ.map((row) =>
          root(row[0] * linear[0]! + row[1] * linear[1]! + row[2] * linear[2]!),
        );
        a[at(red, green, blue)] = rounded((BASE * (500 * (x! - y!) + 128)) / 256);
        b[at(red, green, blue)] = rounded((BASE * (200 * (y! - z!) + 128)) / 256);
      }
    }
  }
  return { a, b };
}

/** Without the gamma of sRGB. */
const unpressed = (value: number): number =>
  value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;

const root = (value: number): number =>
  value > 216 / 24389 ? Math.cbrt(value) : (value * 841) / 108 + 16 / 116;
