/** No branch, address or slow instruction of the compiled module depends on a secret. */

import binaryen from "binaryen";
import { expect, it } from "vitest";

import { code } from "./module";
import { follow, surface } from "./taint";

const SECRET = ["encrypt", "isUnit", "signs"];
const PUBLIC = ["expandHalf", "makeTables", "readHalf", "wipe"];

it("exports nothing but these, and imports nothing", () => {
  expect(surface(code())).toEqual({ exports: [...SECRET, ...PUBLIC].sort(), imports: 0 });
});

it("handles secrets without a trace in time", () => {
  const found = follow(code(), SECRET);
  expect(found.leaks).toEqual([]);
  // The one place where u is sampled: whether a byte is 255 decides where the next one is written.
  expect(found.rejections).toBe(1);
});

it("finds what the functions for public values do", () => {
  // The control on the module itself: they branch on what they read, and one writes by it.
  for (const name of ["readHalf", "expandHalf"]) {
    const kinds = follow(code(), [name]).leaks.map((one) => one.kind);
    expect(kinds).toContain("branch");
  }
});

const READ = "(i32.load (i32.const 0))";
const LONG = "(i64.load (i32.const 0))";

it.each([
  ["branch", `(if ${READ} (then (call $next)))`],
  ["branch", `(block $out (br_if $out ${READ}) (call $next))`],
  ["branch", `(i32.store (i32.const 0) (select (i32.const 1) (i32.const 2) ${READ}))`],
  ["address", `(drop (i32.load ${READ}))`],
  ["address", `(i32.store8 (i32.add ${READ} (i32.const 8)) (i32.const 1))`],
  ["address", `(memory.fill (i32.const 0) (i32.const 0) ${READ})`],
  ["operation", `(i32.store (i32.const 0) (i32.rem_u ${READ} (i32.const 3)))`],
  ["operation", `(i64.store (i32.const 0) (i64.div_u (i64.const 7) ${LONG}))`],
  ["operation", `(i64.store (i32.const 0) (i64.popcnt ${LONG}))`],
  ["operation", `(i32.store (i32.const 0) (i32.shl (i32.const 1) ${READ}))`],
  ["operation", `(f64.store (i32.const 0) (f64.sqrt (f64.load (i32.const 0))))`],
  ["address", `(call $at ${READ})`],
  ["address", `(local.set $i (i32.add (local.get $i) ${READ})) (call $at (local.get $i))`],
  // Secret only when the loop comes round for the second time.
  ["address", `(loop $l (call $at (local.get $i)) (local.set $i ${READ})
                 (br_if $l (local.get $n)))`],
  // A byte that was altered, or compared with another number, stays secret.
  ["branch", `(if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 254)) (then (call $next)))`],
  [
    "branch",
    `(if (i32.eq (i32.xor (i32.load8_u (i32.const 0)) (i32.const 9)) (i32.const 255))
       (then (call $next)))`,
  ],
])("notices a secret %s: %s", (kind, body) => {
  expect(follow(compiled(body), ["f"]).leaks.map((one) => one.kind)).toContain(kind);
});

it.each([
  `(loop $l (call $at (local.get $i)) (local.set $i (i32.add (local.get $i) (i32.const 1)))
     (br_if $l (i32.lt_u (local.get $i) (i32.const 9))))`,
  `(local.set $i ${READ}) (local.set $i (i32.const 4)) (call $at (local.get $i))`,
  `(i64.store (i32.const 0) (i64.mul ${LONG} (i64.shr_u ${LONG} (i64.const 3))))`,
  `(if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 255)) (then (call $next)))`,
])("finds nothing where nothing is: %s", (body) => {
  expect(follow(compiled(body), ["f"]).leaks).toEqual([]);
});

function compiled(body: string): Uint8Array {
  const module = binaryen.parseText(`(module (memory 1)
    (func $next (i32.store (i32.const 0) (i32.const 1)))
    (func $at (param $place i32) (i32.store (local.get $place) (i32.const 1)))
    (func $f (export "f") (param $n i32) (local $i i32) ${body}))`);
  module.setFeatures(binaryen.Features.All);
  const made = module.emitBinary();
  module.dispose();
  return made;
}
