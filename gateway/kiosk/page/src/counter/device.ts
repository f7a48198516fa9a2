/**
 * The browser's own keys, in this origin's IndexedDB. No script reads them, this one neither.
 *
 * - The device's key: Ed25519. It is made once, on first use; whoever wipes the browser's data makes
 *   another device, which has to be enrolled anew. One name has one key here.
 * - Beside it, the key under which this browser seals what it keeps of a submission (`pending.ts`).
 *   Both go together, and that is right: only the device that submitted may ask for a receipt.
 */

import { type SigningKey, signingKey } from "../wire/cose";

const DATABASE = "sealmatch-kiosk";
const DEVICES = "device-keys";
const SEALING = "pending-keys";

/** The key of the device with this name; made now if there is none. */
export async function deviceKey(party: string): Promise<SigningKey> {
  await navigator.storage?.persist?.().catch(() => false);
  const make = () => crypto.subtle.generateKey({ name: "Ed25519" }, false, ["sign", "verify"]);
  return signingKey(party, (await ownKey(DEVICES, party, make)) as CryptoKeyPair);
}

/** The key under which what is kept for this device is sealed; made now if there is none. */
export async function pendingKey(party: string): Promise<CryptoKey> {
  const cipher = { name: "AES-GCM", length: 256 };
  const make = () => crypto.subtle.generateKey(cipher, false, ["encrypt", "decrypt"]);
  return (await ownKey(SEALING, party, make)) as CryptoKey;
}

type Key = CryptoKey | CryptoKeyPair;

async function ownKey(store: string, party: string, make: () => Promise<Key>): Promise<Key> {
  const database = await opened();
  try {
    return await kept(database, store, party, await make());
  } finally {
    database.close();
  }
}

/** The key that is kept under a name: the one that was there, or `made`. */
async function kept(database: IDBDatabase, name: string, party: string, made: Key): Promise<Key> {
  const transaction = database.transaction(name, "readwrite", { durability: "strict" });
  const store = transaction.objectStore(name);
  const earlier = (await done(store.get(party))) as Key | undefined;
  if (earlier === undefined) store.add(made, party);
  await new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = transaction.onerror = () => reject(transaction.error);
  });
  return earlier ?? made;
}

function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 2);
  request.onupgradeneeded = () => {
    const { result: database } = request;
    for (const store of [DEVICES, SEALING]) {
      if (!database.objectStoreNames.contains(store)) database.createObjectStore(store);
    }
  };
  return done(request);
}

const done = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
