/**
 * What a WebAssembly module's timing may depend on, found by following secrets through its code.
 *
 * Everything that is read from memory counts as secret, and everything computed from it. Reported
 * is each place where a secret decides
 *
 *     branch      which code runs next (if, br_if, br_table), or a `select`, which an engine may
 *                 compile to a branch
 *     address     which memory is read or written, or how much of it
 *     operation   an instruction whose time may depend on its operands, or that an engine may do
 *                 by a table: division, square root, conversion, counting bits, a shift by a secret
 *
 * What is not known here ends the search with an error. One thing only makes a secret public: the
 * comparison of a byte, as it was read, with 255. That is what rejection looks at; each such place
 * is counted.
 *
 * The search follows every path, and repeats loops until nothing more becomes secret. It says
 * nothing of the machine code that an engine makes of this, nor of the processor.
 */

import binaryen from "binaryen";

export interface Leak {
  readonly kind: "branch" | "address" | "operation";
  /** The function by its export's name, or its number. */
  readonly within: string;
}

export interface Found {
  readonly leaks: readonly Leak[];
  /** Places where a byte is compared with 255, and made public so. */
  readonly rejections: number;
}

/** "byte": read from memory as an unsigned byte, and nothing done to it since. Secret as well. */
type Kind = "public" | "byte" | "secret";

const join = (one: Kind, other: Kind): Kind => (one === other ? one : "secret");
const REJECTED = 255;

const b = binaryen;
const SAFE_BINARY = new Set([
  ...[b.AddInt32, b.SubInt32, b.MulInt32, b.AndInt32, b.OrInt32, b.XorInt32],
  ...[b.AddInt64, b.SubInt64, b.MulInt64, b.AndInt64, b.OrInt64, b.XorInt64],
  ...[b.AddFloat64, b.SubFloat64, b.MulFloat64, b.LeFloat64, b.GeFloat64],
  ...[b.EqInt32, b.NeInt32, b.LtSInt32, b.LtUInt32, b.GtSInt32, b.GtUInt32],
  ...[b.LeSInt32, b.LeUInt32, b.GeSInt32, b.GeUInt32],
]);
const SHIFTS = new Set([
  ...[b.ShlInt32, b.ShrSInt32, b.ShrUInt32, b.ShlInt64, b.ShrSInt64, b.ShrUInt64],
]);
const COMPARISONS = new Set([b.EqInt32, b.NeInt32, b.LtUInt32, b.GeUInt32]);
const SAFE_UNARY = new Set([
  ...[b.WrapInt64, b.ExtendSInt32, b.ExtendUInt32, b.EqZInt32, b.EqZInt64],
  ...[b.ReinterpretFloat64, b.ReinterpretInt64],
  ...[b.ExtendS8Int32, b.ExtendS16Int32, b.ExtendS8Int64, b.ExtendS16Int64, b.ExtendS32Int64],
]);

/** Follow secrets from these exported functions, whose own parameters are public. */
export function follow(code: Uint8Array, roots: readonly string[]): Found {
  const module = binaryen.readBinary(code);
  try {
    const search = new Search(module);
    for (const root of roots) search.root(root);
    return { leaks: [...search.leaks.values()], rejections: search.rejections.size };
  } finally {
    module.dispose();
  }
}

/** The functions that a module exports, and whether it imports any. */
export function surface(code: Uint8Array): { exports: string[]; imports: number } {
  const module = binaryen.readBinary(code);
  const exports = [];
  for (let i = 0; i < module.getNumExports(); i++) {
    const one = binaryen.getExportInfo(module.getExportByIndex(i));
    if (one.kind === binaryen.ExternalFunction) exports.push(one.name);
  }
  let imports = 0;
  for (let i = 0; i < module.getNumFunctions(); i++) {
    const { module: from } = binaryen.getFunctionInfo(module.getFunctionByIndex(i));
    imports += Number(Boolean(from));
  }
  module.dispose();
  return { exports: exports.sort(), imports };
}

/** One function on one set of parameters; null: no path leads here. */
interface Frame {
  readonly name: string;
  locals: Kind[] | null;
  /** What arrives at a label by branches to it. */
  readonly labels: Map<string, { locals: Kind[] | null; value: Kind | null }>;
  result: Kind | null;
}

class Search {
  readonly leaks = new Map<string, Leak>();
  readonly rejections = new Set<number>();
  private readonly results = new Map<string, Kind>();
  private readonly names = new Map<string, string>();

  constructor(private readonly module: binaryen.Module) {
    for (let i = 0; i < module.getNumExports(); i++) {
      const one = binaryen.getExportInfo(module.getExportByIndex(i));
      if (one.kind === binaryen.ExternalFunction) this.names.set(one.value, one.name);
    }
  }

  root(name: string): void {
    const found = [...this.names].find(([, exported]) => exported === name);
    if (!found) throw new Error(`no function ${name}`);
    const { params } = binaryen.getFunctionInfo(this.module.getFunction(found[0]));
    this.call(found[0], binaryen.expandType(params).map(() => "public"));
  }

  private call(name: string, given: readonly Kind[]): Kind {
    const key = [name, ...given].join(" ");
    const known = this.results.get(key);
    if (known) return known;
    const info = binaryen.getFunctionInfo(this.module.getFunction(name));
    if (info.module) throw new Error("calls what is imported");
    const zeros = info.vars.map((): Kind => "public");
    const frame: Frame = {
      name: this.names.get(name) ?? name,
      locals: [...given, ...zeros],
      labels: new Map(),
      result: null,
    };
    const value = this.value(info.body, frame);
    const ends = frame.locals ? value : null;
    const result = ends && frame.result ? join(ends, frame.result) : (ends ?? frame.result);
    this.results.set(key, result ?? "public");
    return result ?? "public";
  }

  private leak(kind: Leak["kind"], at: number, frame: Frame): void {
    this.leaks.set(`${kind} ${at}`, { kind, within: frame.name });
  }

  private need(kind: Leak["kind"], value: Kind, at: number, frame: Frame): void {
    if (value !== "public") this.leak(kind, at, frame);
  }

  // One case for each kind of expression: what it evaluates, in order, and what follows.
  private value(at: number, frame: Frame): Kind {
    if (at === 0 || frame.locals === null) return "public";
    const info = binaryen.getExpressionInfo(at) as any;
    const of = (one: number): Kind => this.value(one, frame);
    switch (info.id) {
      case b.NopId:
      case b.UnreachableId:
        if (info.id === b.UnreachableId) frame.locals = null;
        return "public";
      case b.ConstId:
      case b.MemorySizeId:
        return "public";
      case b.LocalGetId:
        return frame.locals[info.index]!;
      case b.LocalSetId: {
        const value = of(info.value);
        if (frame.locals) frame.locals[info.index] = value;
        return value;
      }
      case b.DropId:
        of(info.value);
        return "public";
      case b.BlockId:
        return this.block(info, frame);
      case b.LoopId:
        return this.loop(info, frame);
      case b.IfId: {
        this.need("branch", of(info.condition), at, frame);
        const before = copy(frame.locals);
        const first = of(info.ifTrue);
        const after = frame.locals;
        frame.locals = before;
        const second = info.ifFalse ? of(info.ifFalse) : "public";
        const value = !after ? second : !frame.locals ? first : join(first, second);
        frame.locals = merge(after, frame.locals);
        return value;
      }
      case b.BreakId: {
        const value = info.value ? of(info.value) : "public";
        if (info.condition) this.need("branch", of(info.condition), at, frame);
        this.arrive(info.name, value, frame);
        if (!info.condition) frame.locals = null;
        return value;
      }
      case b.ReturnId: {
        const value = info.value ? of(info.value) : "public";
        frame.result = frame.result ? join(frame.result, value) : value;
        frame.locals = null;
        return "public";
      }
      case b.SelectId: {
        const value = join(of(info.ifTrue), of(info.ifFalse));
        this.need("branch", of(info.condition), at, frame);
        return value;
      }
      case b.LoadId:
        this.need("address", of(info.ptr), at, frame);
        return info.bytes === 1 && !info.isSigned ? "byte" : "secret";
      case b.StoreId:
        this.need("address", of(info.ptr), at, frame);
        of(info.value);
        return "public";
      case b.MemoryFillId:
      case b.MemoryCopyId:
        for (const one of [info.dest, info.value ?? info.source, info.size]) {
          this.need("address", of(one), at, frame);
        }
        return "public";
      case b.CallId: {
        const given = (info.operands as number[]).map(of);
        return this.call(info.target, given.map((one) => (one === "byte" ? "secret" : one)));
      }
      case b.UnaryId:
        return this.computed(SAFE_UNARY.has(info.op), [of(info.value)], at, frame);
      case b.BinaryId:
        return this.binary(info, at, frame);
      default:
        throw new Error(`an expression that is not known here: ${info.id}`);
    }
  }

  private binary(info: any, at: number, frame: Frame): Kind {
    const left = this.value(info.left, frame);
    const right = this.value(info.right, frame);
    const constant = binaryen.getExpressionInfo(info.right) as any;
    const rejects = constant.id === b.ConstId && constant.value === REJECTED;
    if (left === "byte" && rejects && COMPARISONS.has(info.op)) {
      this.rejections.add(at);
      return "public";
    }
    const safe = SAFE_BINARY.has(info.op) || (SHIFTS.has(info.op) && right === "public");
    return this.computed(safe, [left, right], at, frame);
  }

  private computed(safe: boolean, operands: Kind[], at: number, frame: Frame): Kind {
    if (operands.every((one) => one === "public")) return "public";
    if (!safe) this.leak("operation", at, frame);
    return "secret";
  }

  private block(info: any, frame: Frame): Kind {
    if (info.name) frame.labels.set(info.name, { locals: null, value: null });
    let value: Kind = "public";
    for (const child of info.children) value = this.value(child, frame);
    const arrived = info.name ? frame.labels.get(info.name)! : { locals: null, value: null };
    if (arrived.value) value = frame.locals ? join(value, arrived.value) : arrived.value;
    frame.locals = merge(frame.locals, arrived.locals);
    return value;
  }

  private loop(info: any, frame: Frame): Kind {
    const before = copy(frame.locals);
    for (let again: Kind[] | null = null; ; ) {
      const entry = merge(copy(before), again);
      frame.labels.set(info.name, { locals: copy(again), value: null });
      frame.locals = copy(entry);
      const value = this.value(info.body, frame);
      again = frame.labels.get(info.name)!.locals;
      if (JSON.stringify(merge(copy(before), again)) === JSON.stringify(entry)) return value;
    }
  }

  private arrive(name: string, value: Kind, frame: Frame): void {
    const label = frame.labels.get(name);
    if (!label) throw new Error(`no label ${name}`);
    label.locals = merge(label.locals, copy(frame.locals));
    label.value = label.value ? join(label.value, value) : value;
  }
}

const copy = (locals: Kind[] | null): Kind[] | null => locals && [...locals];

function merge(one: Kind[] | null, other: Kind[] | null): Kind[] | null {
  if (!one || !other) return one ?? other;
  return one.map((kind, i) => join(kind, other[i]!));
}
