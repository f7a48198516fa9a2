/** Elements without a framework, and without HTML from strings: nothing can be injected. */

type Child = Node | string | null | undefined | false;
type Listener = (event: Event) => void;
export interface Attributes {
  [name: string]: string | number | boolean | null | undefined | Listener;
}

const SVG = "http://www.w3.org/2000/svg";

function put(element: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => !!child || child === ""));
}

/** An HTML element; attributes that begin with `on` are listeners. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  put(element, attributes, children);
  return element;
}

/** An SVG element. */
export function s(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  put(element, attributes, children);
  return element;
}

/** A text with `{name}` filled in. */
export function filled(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

let last = 0;

/** An id that no other element has. */
export function newId(prefix: string): string {
  return `${prefix}-${(last += 1)}`;
}
