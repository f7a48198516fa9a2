/**
 * Pictures in memory, and the exact grey of OpenCV.
 *
 * A camera's picture is RGBA as a canvas gives it; alpha is ignored. Coordinates are pixels, x to
 * the right and y down. Nothing here keeps a picture.
 */

/** RGBA, 8 bits a channel, row by row. An `ImageData` is one. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray | Uint8Array;
}

/** One channel of 8 bits. */
export interface Grey {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Three channels of 8 bits, red, green, blue, interleaved. */
export interface Rgb {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** An axis-parallel rectangle in pixels; it may reach beyond the picture. */
export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Points (x, y) one after the other, float32, in pixels of the picture. */
export type Points = Float32Array;

export const heightOf = (box: Box): number => box.bottom - box.top;

/** A square of `side` pixels about a centre, or about the box's own. */
export function squareOf(box: Box, side: number, centre?: readonly [number, number]): Box {
  const x = centre ? centre[0] : (box.left + box.right) / 2;
  const y = centre ? centre[1] : (box.top + box.bottom) / 2;
  return { left: x - side / 2, top: y - side / 2, right: x + side / 2, bottom: y + side / 2 };
}

/** To the nearest integer, halves to the even one: as Python and OpenCV round. */
export function rounded(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** OpenCV's luma of 8 bit channels: weights of ITU-R BT.601 in 15 bits. */
export const luma = (red: number, green: number, blue: number): number =>
  (blue * 3735 + green * 19235 + red * 9798 + 16384) >> 15;

/** The grey of a colour picture. */
export function greyOf(rgb: Rgb): Grey {
  const { width, height, data } = rgb;
  const grey = new Uint8Array(width * height);
  for (let i = 0, at = 0; i < grey.length; i += 1, at += 3) {
    grey[i] = luma(data[at]!, data[at + 1]!, data[at + 2]!);
  }
  return { width, height, data: grey };
}

/** Part of a picture in grey from (left, top); black beyond the picture and where not `wanted`. */
export function greyRegion(
  picture: Picture,
  left: number,
  top: number,
  width: number,
  height: number,
  wanted: Box = { left: 0, top: 0, right: width, bottom: height },
): Grey {
  const grey = new Uint8Array(width * height);
  const { data } = picture;
  const [x0, y0] = [Math.max(left + wanted.left, 0), Math.max(top + wanted.top, 0)];
  const x1 = Math.min(left + Math.min(wanted.right, width), picture.width);
  const y1 = Math.min(top + Math.min(wanted.bottom, height), picture.height);
  for (let y = y0; y < y1; y += 1) {
    let at = 4 * (y * picture.width + x0);
    const row = (y - top) * width - left;
    for (let x = x0; x < x1; x += 1, at += 4) {
      grey[row + x] = luma(data[at]!, data[at + 1]!, data[at + 2]!);
    }
  }
  return { width, height, data: grey };
}

/** The picture turned counter-clockwise by quarter turns, 0 to 3. */
export function turned(picture: Picture, quarters: number): Picture {
  const { width, height } = picture;
  const [wide, tall] = quarters % 2 ? [height, width] : [width, height];
  const source = new Uint32Array(picture.data.slice().buffer);
  const data = new Uint8ClampedArray(4 * width * height);
  const target = new Uint32Array(data.buffer);
  for (let y = 0; y < tall; y += 1) {
    for (let x = 0; x < wide; x += 1) {
      const [sx, sy] =
        quarters === 0
          ? [x, y]
          : quarters === 1
            ? [width - 1 - y, x]
            : quarters === 2
              ? [width - 1 - x, height - 1 - y]
              : [y, height - 1 - x];
      target[y * wide + x] = source[sy * width + sx]!;
    }
  }
  source.fill(0);
  return { width: wide, height: tall, data };
}
