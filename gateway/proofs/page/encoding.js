"use strict";
// Bytes, base64, deterministic CBOR, text: each value has one encoding, and no other is read.

// A check that fails: why, by a code that every language has words for (text-*.js).
class Invalid extends Error {
  constructor(code, values = {}) {
    super(code);
    this.code = code;
    this.values = values;
  }
}

const hex = (bytes) => Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const utf8 = (text) => new TextEncoder().encode(text);
const equal = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const sha256 = async (...parts) =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));

function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function text(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Invalid("malformed");
  }
}

const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes));

function fromBase64(encoded) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  } catch {
    throw new Invalid("malformed");
  }
  if (toBase64(bytes) !== encoded) throw new Invalid("malformed");
  return bytes;
}

// --- CBOR (RFC 8949, section 4.2): maps with text keys, or, in COSE headers, integers ---------

const MAX_DEPTH = 8;

class Cbor {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  static decode(bytes) {
    const reader = new Cbor(bytes);
    const value = reader.item(0);
    if (reader.at !== bytes.length) throw new Invalid("malformed");
    return value;
  }

  take(count) {
    if (this.at + count > this.bytes.length) throw new Invalid("cut-short");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }

  number(short) {
    if (short < 24) return short;
    if (short > 27) throw new Invalid("malformed");
    const size = 1 << (short - 24);
    const value = this.take(size).reduce((sum, byte) => sum * 256 + byte, 0);
    const least = size === 1 ? 24 : 2 ** (4 * size);
    if (value < least || !Number.isSafeInteger(value)) throw new Invalid("malformed");
    return value;
  }

  item(depth) {
    if (depth > MAX_DEPTH) throw new Invalid("malformed");
    const first = this.take(1)[0];
    const short = first & 31;
    switch (first >> 5) {
      case 0: return this.number(short);
      case 1: return -1 - this.number(short);
      case 2: return this.take(this.number(short)).slice();
      case 3: return text(this.take(this.number(short)));
      case 4: return this.list(this.number(short), depth);
      case 5: return this.map(this.number(short), depth);
      default: return this.simple(first);
    }
  }

  simple(first) {
    const known = { 0xf4: false, 0xf5: true, 0xf6: null };
    if (!(first in known)) throw new Invalid("malformed");
    return known[first];
  }

  list(count, depth) {
    const items = [];
    for (let i = 0; i < count; i++) items.push(this.item(depth + 1));
    return items;
  }

  map(count, depth) {
    const map = new Map();
    let before = null;
    for (let i = 0; i < count; i++) {
      const start = this.at;
      const key = this.item(depth + 1);
      const encoded = this.bytes.subarray(start, this.at);
      if (before !== null && !ordered(before, encoded)) throw new Invalid("malformed");
      before = encoded;
      map.set(key, this.item(depth + 1));
    }
    return map;
  }
}

function ordered(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i++) if (a[i] !== b[i]) return a[i] < b[i];
  return a.length < b.length;
}

function message(bytes) {
  const map = Cbor.decode(bytes);
  if (!(map instanceof Map) || map.get("version") !== 1) throw new Invalid("malformed");
  return map;
}

function cborHead(major, count) {
  if (count < 24) return Uint8Array.of((major << 5) | count);
  if (count < 256) return Uint8Array.of((major << 5) | 24, count);
  if (count < 65536) return Uint8Array.of((major << 5) | 25, count >> 8, count & 255);
  return Uint8Array.of((major << 5) | 26, count >>> 24, (count >> 16) & 255, (count >> 8) & 255, count & 255);
}

const cborBytes = (bytes) => concat(cborHead(2, bytes.length), bytes);
const cborText = (string) => concat(cborHead(3, utf8(string).length), utf8(string));

function cborEncode(value) {
  if (value instanceof Uint8Array) return cborBytes(value);
  if (typeof value === "string") return cborText(value);
  if (Array.isArray(value)) return concat(cborHead(4, value.length), ...value.map(cborEncode));
  if (value instanceof Map) {
    const items = [...value].flatMap(([key, item]) => [cborEncode(key), cborEncode(item)]);
    return concat(cborHead(5, value.size), ...items); // in the order in which it was read
  }
  return cborHead(0, value);
}
