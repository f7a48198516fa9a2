/**
 * Which bytes the page takes for a message, one answer for each line that comes in: 1 or 0, or what
 * went wrong. `python -m tests.measure_page_messages` compares that with Python's own verdict.
 */

import { createInterface } from "node:readline";

import { equal, unhex } from "../../src/wire/bytes";
import { Fault } from "../../src/wire/errors";
import * as liveness from "../../src/wire/liveness";
import type { MessageType } from "../../src/wire/message";
import * as proof from "../../src/wire/proof";
import * as session from "../../src/wire/session";
import * as submission from "../../src/wire/submission";

const types = new Map(
  Object.values({ ...liveness, ...proof, ...session, ...submission })
    .filter((one): one is MessageType<any> => typeof one === "object" && "decode" in one)
    .map((type) => [type.name, type]),
);

function verdict(name: string, encoded: string): string {
  const type = types.get(name)!;
  try {
    const bytes = unhex(encoded);
    return equal(type.encode(type.decode(bytes)), bytes) ? "1" : "another encoding";
  } catch (error) {
    return error instanceof Fault ? "0" : `${error}`;
  }
}

/** First says which messages it knows, in one line. */
export async function run(): Promise<void> {
  process.stdout.write(`${[...types.keys()].join(" ")}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    const [name, encoded] = line.split(" ") as [string, string];
    process.stdout.write(`${verdict(name, encoded)}\n`);
  }
}
