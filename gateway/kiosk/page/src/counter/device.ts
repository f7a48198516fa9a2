/**
 * The device's key: Ed25519 of WebCrypto, not extractable, in this origin's IndexedDB.
 *
 * It is made once, on first use. No script reads its private part, this one neither; whoever wipes
 * the browser's data makes another device, which has to be enrolled anew. One name has one key here.
 */

import { type SigningKey, signingKey } from "../wire/cose";

const DATABASE = "sealmatch-kiosk";
const STORE = "device-keys";
const ED25519 = { name: "Ed25519" };

/** The key of the device with this name; made now if there is none. */
export async function deviceKey(party: string): Promise<SigningKey> {
  await navigator.storage?.persist?.().catch(() => false);
  const database = await opened();
  try {
    const made = await crypto.subtle.generateKey(ED25519, false, ["sign", "verify"]);
    return await signingKey(party, await kept(database, party, made as CryptoKeyPair));
  } finally {
    database.close();
  }
}

/** The pair that is kept under a name: the one that was there, or `made`. */
async function kept(database: IDBDatabase, party: string, made: CryptoKeyPair): Promise<CryptoKeyPair> {
  const transaction = database.transaction(STORE, "readwrite", { durability: "strict" });
  const store = transaction.objectStore(STORE);
  const earlier = (await done(store.get(party))) as CryptoKeyPair | undefined;
  if (earlier === undefined) store.add(made, party);
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
  return earlier ?? made;
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return done(request);
}

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
