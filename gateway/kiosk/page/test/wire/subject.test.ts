/** Commitments of the golden vectors, and what may be committed to. */

import { expect, it } from "vitest";

import { hex, unhex } from "../../src/wire/bytes";
import { Misuse } from "../../src/wire/errors";
import {
  activationCommitment,
  activationReference,
  erasureCommitment,
} from "../../src/wire/subject";
import { vector } from "./vectors";

const { activationSalt, subjectSalt, activations, erasureCommitment: erasure } =
  vector("subject.json");

it("commits to an activation and to its erasure", async () => {
  for (const { reference, commitment } of activations) {
    expect(hex(await activationCommitment(reference, unhex(activationSalt)))).toBe(commitment);
  }
  expect(hex(await erasureCommitment(unhex(subjectSalt), unhex(activationSalt)))).toBe(erasure);
});

it("takes a reference of 1 to 128 bytes, without blanks at its ends", () => {
  expect(activationReference("\u3000 order 17\x1f\n")).toBe("order 17");
  expect(activationReference("\ufefforder")).toBe("\ufefforder");
  expect(activationReference("ä".repeat(64))).toHaveLength(64);
  for (const unusable of ["", " \t", "ä".repeat(65), "a\ud800"]) {
    expect(() => activationReference(unusable)).toThrow(Misuse);
  }
});
