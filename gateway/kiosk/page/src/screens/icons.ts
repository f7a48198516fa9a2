/**
 * Pictures of our own, as lines on a grid of 48. They repeat what words say beside them, so they
 * are hidden from screen readers.
 */

import { s } from "./dom";

const HEAD = "M24 6a13 15 0 0 1 0 30a13 15 0 0 1 0-30z";
const EYES = "M18.5 19v2M29.5 19v2";
const SUN = "M24 14a10 10 0 1 1 0 20a10 10 0 0 1 0-20zM24 4v5M24 39v5M4 24h5M39 24h5M10 10l3.5 3.5M34.5 34.5l3.5 3.5M38 10l-3.5 3.5M13.5 34.5l-3.5 3.5";
const CAMERA = "M4 16h8l4-5h12l4 5h8v22H4zM22 20a7 7 0 1 1 0 14a7 7 0 0 1 0-14z";

/** Lines of each picture, as SVG path data. */
const LINES = {
  globe: "M24 5a19 19 0 1 1 0 38a19 19 0 0 1 0-38zM5 24h38M24 5c-11 11-11 27 0 38M24 5c11 11 11 27 0 38",
  sound: "M6 18h8l11-9v30l-11-9H6zM32 17c4 4 4 10 0 14M37 11c8 8 8 18 0 26",
  silent: "M6 18h8l11-9v30l-11-9H6zM33 19l10 10M43 19L33 29",
  letters: "M4 38L14 12l10 26M8 29h12M28 38l7-18l7 18M31 32h8",
  camera: CAMERA,
  document: "M6 9h36v30H6zM12 33c0-8 12-8 12 0zM18 17a4 4 0 1 1 0 8a4 4 0 0 1 0-8zM29 18h8M29 25h8M29 32h8",
  home: "M5 9h38v24H5zM17 41h14M24 33v8M16 21l5 5l11-11",
  compare: "M5 10h17v22H5zM26 10h17v22H26zM9 39h30M33 35l6 4l-6 4M15 35l-6 4l6 4M13.5 15a3 3 0 1 1 0 6a3 3 0 0 1 0-6zM9 28c0-6 9-6 9 0M34.500 15a3 3 0 1 1 0 6a3 3 0 0 1 0-6zM30 28c0-6 9-6 9 0",
  person: "M24 7a8 8 0 1 1 0 16a8 8 0 0 1 0-16zM8 42c0-19 32-19 32 0",
  people: "M17 9a7 7 0 1 1 0 14a7 7 0 0 1 0-14zM3 41c0-17 28-17 28 0M33 11a6 6 0 0 1 0 12M36 27c5 2 9 6 9 14",
  check: "M8 26l11 11L41 12",
  cross: "M11 11l26 26M37 11L11 37",
  info: "M24 5a19 19 0 1 1 0 38a19 19 0 0 1 0-38zM24 21v13M24 14v.5",
  wait: "M14 6h20M14 42h20M16 6c0 10 8 12 8 18c0-6 8-8 8-18M16 42c0-10 8-12 8-18c0 6 8 8 8 18",
  print: "M13 18V5h22v13M13 34H6V18h36v16h-7M13 28h22v15H13z",
  save: "M24 5v25M13 20l11 11l11-11M6 34v8h36v-8",
  turnScreen: "M4 10h26v20H4zM12 38h10M17 30v8M36 14c8 4 8 16 0 20M41 35l-5.500-1l1-5.500",
  lock: "M10 21h28v21H10zM16 21v-6a8 8 0 0 1 16 0v6M24 29v5",
  faceless: "M24 5a8 8 0 1 1 0 16a8 8 0 0 1 0-16zM8 42c0-19 32-19 32 0M7 7l34 34",
  // What hinders
  noFace: "M24 8c4 0 7 1 9 4M36 18c1 4 0 8-1 11M32 34c-4 5-12 5-16 0M13 29c-2-4-2-8-1-12M15 12c2-3 5-4 9-4M20 20v2M28 20v2",
  closer: `${HEAD}${EYES}M19 28c3 3 7 3 10 0M3 12V4h8M37 4h8v8M45 36v8h-8M11 44H3v-8`,
  sun: SUN,
  tooBright: `${SUN}M6 42L42 6`,
  straight: "M4 24c9-15 31-15 40 0c-9 15-31 15-40 0zM24 18a6 6 0 1 1 0 12a6 6 0 0 1 0-12z",
  clearly: "M24 6v26M24 40v.5",
  rotate: "M10 24a14 14 0 1 1 4 10M8 40v-7h7",
  lower: "M8 5h22v16H8zM19 9a4 4 0 1 1 0 8a4 4 0 0 1 0-8zM19 27v15M11 34l8 8l8-8M38 8v34",
  raise: "M8 27h22v16H8zM19 31a4 4 0 1 1 0 8a4 4 0 0 1 0-8zM19 21V6M11 14l8-8l8 8M38 6v34",
  covered: `${HEAD}${EYES}M11 25c8-3 18-3 26 0M13 31c8 2 14 2 22 0`,
  glasses: "M4 20h40M6 20c-1 16 15 16 16 2h4c1 14 17 14 16-2",
  lens: "M24 7a17 17 0 1 1 0 34a17 17 0 0 1 0-34zM24 15a9 9 0 1 1 0 18a9 9 0 0 1 0-18zM30 36l12-12M34 40l9-9",
  still: `${HEAD}${EYES}M19 28h10M3 24h4M41 24h4M24 40v4`,
  filter: "M9 42L33 18M29 8v6M26 11h6M40 18v6M37 21h6M14 9v4M12 11h4M30 15l4 4",
  slow: "M24 7a17 17 0 1 1 0 34a17 17 0 0 1 0-34zM24 14v11l8 5",
  mirror: "M24 4v40M19 12L5 36h14zM29 12l14 24H29z",
  turnHead: `${HEAD}${EYES}M19 28h10M9 4L4 8l5 4M4 8h8M39 4l5 4l-5 4M44 8h-8`,
  again: "M38 24a14 14 0 1 1-4-10M40 6v9h-9",
} as const;

export type Icon = keyof typeof LINES;

/** A picture beside words. */
export function icon(name: Icon, kind = ""): SVGElement {
  return s(
    "svg",
    { class: `icon ${kind}`, viewBox: "0 0 48 48", "aria-hidden": "true", focusable: "false" },
    s("path", { d: LINES[name] }),
  );
}

const ADVICE: Record<string, Icon> = {
  "no-face": "noFace",
  "several-faces": "people",
  "come-closer": "closer",
  "too-dark": "sun",
  "too-bright": "tooBright",
  "look-straight": "straight",
  "more-clearly": "clearly",
  "hold-still": "still",
  "passive-warning": "info",
  "advice-time-ran-out": "wait",
  "advice-wrong-action": "wait",
  "advice-face-lost": "noFace",
  "advice-several-faces": "people",
  "advice-face-changed": "person",
  "advice-recording-ended": "camera",
  "advice-passive-check": "person",
  "advice-interrupted": "again",
  "advice-use-camera": "camera",
  "advice-not-possible": "faceless",
  "advice-locked": "lock",
  "why-sideways": "rotate",
  "why-upside-down": "rotate",
  "why-distorted": "camera",
  "why-few-views": "slow",
  "why-dark": "sun",
  "why-bright": "tooBright",
  "why-not-sharp": "lens",
  "why-flat": "lens",
  "why-grainy": "sun",
  "why-colours": "filter",
  "why-edited": "filter",
  "why-unclear": "sun",
  "why-averted": "straight",
  "why-from-above": "lower",
  "why-from-below": "raise",
  "why-face-covered": "covered",
  "why-eyes-covered": "glasses",
  "why-mouth-covered": "covered",
  "why-head-still": "turnHead",
  "why-head-little": "turnHead",
  "why-turn-unclear": "turnHead",
  "why-several-unseen": "clearly",
  "why-other-side": "mirror",
  "why-mirrored": "mirror",
};

/** The picture of an advice, by its message's name. */
export function adviceIcon(advice: string): Icon {
  return ADVICE[advice] ?? "info";
}
