/** Signed requests have the headers of the golden vectors. */

import { expect, it } from "vitest";

import { unhex } from "../../src/wire/bytes";
import { Misuse } from "../../src/wire/errors";
import { hostOf, signRequest } from "../../src/wire/requests";
import { keyOfSeed } from "./keys";
import { vector } from "./vectors";

const { key, cases } = vector("requests.json");

it.each(cases as any[])("$method $path", async (one) => {
  expect(hostOf(one.url)).toBe(one.host);
  const signer = await keyOfSeed(key.party, unhex(key.seed));
  const args = [unhex(one.body), signer, one.created, unhex(one.nonce)] as const;
  expect(await signRequest(one.method, one.host, one.path, ...args)).toEqual(one.headers);
});

it("takes no path that hides another, and no address but a server's", async () => {
  const signer = await keyOfSeed(key.party, unhex(key.seed));
  for (const path of ["sessions", "/a?b", "/a#b", "/a b", "/ä"]) {
    const signed = signRequest("GET", "h", path, new Uint8Array(), signer, 1);
    await expect(signed).rejects.toThrow(Misuse);
  }
  for (const url of ["gateway", "ftp://gateway", "http://ä.example", "http://"]) {
    expect(() => hostOf(url)).toThrow(Misuse);
  }
  expect(hostOf("HTTPS://Gateway.Example:443/x")).toBe("gateway.example");
});
