/**
 * OpenCV's `resize`, bit by bit: INTER_LINEAR of 8 bit pictures in its 11 bit fixed point, and
 * INTER_AREA for shrinking. Models were calibrated behind these, so nearly the same is not enough.
 */

import { rounded, type Box, type Grey, type Picture, type Rgb } from "./picture";

const ONE = 2048; // 11 bits

interface Taps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly ofLow: Int32Array;
  readonly ofHigh: Int32Array;
}

/**
 * For each target pixel of one axis: two source pixels and their weights.
 *
 * OpenCV sets the weight beyond an edge to zero along rows; along columns it keeps the weights and
 * repeats the edge. Both mean the same, but round differently.
 */
function taps(source: number, target: number, along: "row" | "column"): Taps {
  const [low, high] = [new Int32Array(target), new Int32Array(target)];
  const [ofLow, ofHigh] = [new Int32Array(target), new Int32Array(target)];
  const scale = 1 / (target / source);
  for (let i = 0; i < target; i += 1) {
    const at = Math.fround((i + 0.5) * scale - 0.5);
    let first = Math.floor(at);
    let weight = Math.fround(at - first);
    if (along === "row" && first < 0) [first, weight] = [0, 0];
    if (along === "row" && first >= source - 1) [first, weight] = [source - 1, 0];
    low[i] = Math.min(Math.max(first, 0), source - 1);
    high[i] = Math.min(Math.max(first + 1, 0), source - 1);
    ofLow[i] = rounded(Math.fround(Math.fround(1 - weight) * ONE));
    ofHigh[i] = rounded(Math.fround(weight * ONE));
  }
  return { low, high, ofLow, ofHigh };
}

const between = (first: number, second: number, ofFirst: number, ofSecond: number): number =>
  (((ofFirst * (first >> 4)) >> 16) + ((ofSecond * (second >> 4)) >> 16) + 2) >> 2;

/**
 * A rectangle of the picture at another size, black where it reaches beyond the picture.
 *
 * It is cut out first and then resized: the pixels are those of
 * `cv2.resize(canvas, (width, height))` where `canvas` is the rectangle on black.
 */
export function resized(
  picture: Picture,
  area: { left: number; top: number; width: number; height: number },
  width: number,
  height: number,
): Rgb {
  const columns = taps(area.width, width, "row");
  const rows = taps(area.height, height, "column");
  // Two source rows at a time are needed, an even one and an odd one.
  const lines = [0, 1].map(() => ({ row: -1, values: new Int32Array(3 * width) }));
  const blend = (row: number): Int32Array => {
    const line = lines[row & 1]!;
    if (line.row !== row) blendInto(line.values, picture, area.left, area.top + row, columns);
    line.row = row;
    return line.values;
  };
  const data = new Uint8Array(3 * width * height);
  for (let y = 0, at = 0; y < height; y += 1) {
    const [first, second] = [blend(rows.low[y]!), blend(rows.high[y]!)];
    const [ofFirst, ofSecond] = [rows.ofLow[y]!, rows.ofHigh[y]!];
    for (let i = 0; i < 3 * width; i += 1, at += 1) {
      data[at] = between(first[i]!, second[i]!, ofFirst, ofSecond);
    }
  }
  return { width, height, data };
}

/** One source row, resized along the row; 11 bits after the point, three channels. */
function blendInto(
  line: Int32Array,
  { width, height, data }: Picture,
  left: number,
  y: number,
  columns: Taps,
): void {
  line.fill(0);
  if (y < 0 || y >= height) return;
  const row = y * width;
  for (let x = 0, at = 0; at < line.length; x += 1, at += 3) {
    const low = left + columns.low[x]!;
    const high = left + columns.high[x]!;
    if (low >= 0 && low < width) {
      const from = 4 * (row + low);
      const weight = columns.ofLow[x]!;
      line[at] = weight * data[from]!;
      line[at + 1] = weight * data[from + 1]!;
      line[at + 2] = weight * data[from + 2]!;
    }
    if (high >= 0 && high < width) {
      const from = 4 * (row + high);
      const weight = columns.ofHigh[x]!;
      line[at]! += weight * data[from]!;
      line[at + 1]! += weight * data[from + 1]!;
      line[at + 2]! += weight * data[from + 2]!;
    }
  }
}

/** A square of the picture, `side` x `side`, black outside: the `cut` of the Python client. */
export function cut(picture: Picture, square: Box, side: number): Rgb {
  const size = Math.max(1, rounded(square.right - square.left));
  const area = { left: rounded(square.left), top: rounded(square.top), width: size, height: size };
  return resized(picture, area, side, side);
}

/** `cv2.resize` of a grey picture. */
export function resizedGrey(grey: Grey, width: number, height: number): Grey {
  const columns = taps(grey.width, width, "row");
  const rows = taps(grey.height, height, "column");
  const blend = (row: number): Int32Array =>
    Int32Array.from(
      { length: width },
      (_, x) =>
        columns.ofLow[x]! * grey.data[row * grey.width + columns.low[x]!]! +
        columns.ofHigh[x]! * grey.data[row * grey.width + columns.high[x]!]!,
    );
  const data = new Uint8Array(width * height);
  for (let y = 0, at = 0; y < height; y += 1) {
    const [first, second] = [blend(rows.low[y]!), blend(rows.high[y]!)];
    for (let x = 0; x < width; x += 1, at += 1) {
      data[at] = between(first[x]!, second[x]!, rows.ofLow[y]!, rows.ofHigh[y]!);
    }
  }
  return { width, height, data };
}

/**
 * `cv2.resize` with INTER_AREA to a smaller size: each pixel is the mean of what it covers. Where
 * not `wanted`, the result stays black.
 */
export function shrunk(grey: Grey, width: number, height: number, wanted?: Box): Grey {
  if (width === grey.width && height === grey.height) return grey;
  const factor = grey.width / width;
  const whole = Number.isInteger(factor) && grey.height === factor * height;
  const window = wanted ?? { left: 0, top: 0, right: width, bottom: height };
  const data = new Uint8Array(width * height);
  if (whole) average(grey, factor, data, window);
  else cover(grey, width, height, data, window);
  return { width, height, data };
}

/** Whole blocks of `factor` x `factor` pixels. */
function average(
  { width: from, data }: Grey,
  factor: number,
  result: Uint8Array,
  { left, top, right, bottom }: Box,
): void {
  const width = from / factor;
  const share = Math.fround(1 / (factor * factor));
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      let sum = 0;
      const first = y * factor * from + x * factor;
      for (let row = first; row < first + factor * from; row += from) {
        for (let at = row; at < row + factor; at += 1) sum += data[at]!;
      }
      result[y * width + x] = factor === 2 ? (sum + 2) >> 2 : rounded(Math.fround(sum * share));
    }
  }
}

/** Blocks that also cover parts of pixels, in float32. */
function cover(
  { width: from, height: tall, data }: Grey,
  width: number,
  height: number,
  result: Uint8Array,
  { left, top, right, bottom }: Box,
): void {
  const [columns, rows] = [shares(from, width), shares(tall, height)];
  const sums = new Float32Array(width);
  for (let y = top; y < bottom; y += 1) {
    sums.fill(0);
    for (let r = rows.begin[y]!; r < rows.begin[y + 1]!; r += 1) {
      const [row, ofRow] = [rows.source[r]! * from, rows.share[r]!];
      for (let x = left; x < right; x += 1) {
        let sum = 0;
        for (let c = columns.begin[x]!; c < columns.begin[x + 1]!; c += 1) {
          sum = Math.fround(sum + data[row + columns.source[c]!]! * columns.share[c]!);
        }
        sums[x] = sums[x]! + Math.fround(ofRow * sum);
      }
    }
    for (let x = left; x < right; x += 1) result[y * width + x] = rounded(sums[x]!);
  }
}

/** Source pixels and their shares of each target pixel: those from `begin[i]` to `begin[i + 1]`. */
interface Shares {
  readonly begin: Int32Array;
  readonly source: Int32Array;
  readonly share: Float32Array;
}

function shares(source: number, target: number): Shares {
  const scale = 1 / (target / source);
  const begin = new Int32Array(target + 1);
  const parts: [number, number][] = [];
  for (let i = 0; i < target; i += 1) {
    const [start, end] = [i * scale, i * scale + scale];
    const cell = Math.min(scale, source - start);
    const last = Math.max(Math.min(Math.floor(end), source - 1), 0);
    const low = Math.min(Math.ceil(start), last);
    if (low - start > 1e-3) parts.push([low - 1, (low - start) / cell]);
    for (let at = low; at < last; at += 1) parts.push([at, 1 / cell]);
    if (end - last > 1e-3) parts.push([last, Math.min(end - last, 1, cell) / cell]);
    begin[i + 1] = parts.length;
  }
  return {
    begin,
    source: Int32Array.from(parts, ([at]) => at),
    share: Float32Array.from(parts, ([, share]) => share),
  };
}
