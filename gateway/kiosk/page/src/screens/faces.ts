/**
 * Drawn faces that do what is asked for, so that nobody needs to read. Left is the person's own:
 * in a mirrored picture it is the left of the screen.
 *
 * The movement plays twice and rests (`styles.css`); with reduced motion the face rests in the
 * pose that is asked for. Nothing flashes.
 */

import { s } from "./dom";

const EYES_OPEN = ["M42 50v6", "M78 50v6"];
const EYES_SHUT = ["M35 53c4 5 10 5 14 0", "M71 53c4 5 10 5 14 0"];
const NOSE = "M60 56v12";
const SMILE = "M46 78c8 8 20 8 28 0";

function face(...features: SVGElement[]): SVGElement {
  return s(
    "svg",
    { class: "face", viewBox: "0 0 120 120", "aria-hidden": "true", focusable: "false" },
    s("path", { class: "head", d: "M60 12c26 0 38 20 38 46s-16 50-38 50s-38-24-38-50s12-46 38-46z" }),
    ...features,
  );
}

const lines = (kind: string, ...paths: string[]): SVGElement =>
  s("path", { class: kind, d: paths.join("") });

const turned = (side: "left" | "right"): SVGElement => {
  const away = side === "left" ? -1 : 1;
  const at = (x: number): number => 60 + away * x;
  return face(
    s(
      "g",
      { class: `features to-${side}` },
      lines("line", ...EYES_OPEN, NOSE, "M48 80h22"),
    ),
    lines("arrow", `M${at(20)} 6h${away * 36}M${at(46)} -3l${away * 10} 9l${-away * 10} 9`),
  );
};

const FACES: Record<string, () => SVGElement> = {
  "hold-still": () => face(lines("line", ...EYES_OPEN, NOSE, SMILE)),
  "ask-blink": () =>
    face(
      lines("line eyes-open", ...EYES_OPEN),
      lines("line eyes-shut", ...EYES_SHUT),
      lines("line", NOSE, SMILE),
    ),
  "ask-open-mouth": () =>
    face(
      lines("line", ...EYES_OPEN, NOSE),
      lines("line mouth-shut", "M46 82h28"),
      s("ellipse", { class: "mouth-open", cx: 60, cy: 84, rx: 13, ry: 14 }),
    ),
  "ask-turn-left": () => turned("left"),
  "ask-turn-right": () => turned("right"),
  "ask-count": () =>
    face(
      lines("line", ...EYES_OPEN, NOSE),
      s("ellipse", { class: "mouth-open still", cx: 60, cy: 84, rx: 10, ry: 9 }),
    ),
  done: () => face(lines("line", ...EYES_OPEN, NOSE, "M42 74c8 14 28 14 36 0")),
};

/** The face of a prompt, by its message's name. */
export function promptFace(prompt: string): SVGElement {
  return (FACES[prompt] ?? FACES["hold-still"]!)();
}

/** Which prompt shows an action. */
export const promptOf = (action: string): string => `ask-${action}`;
