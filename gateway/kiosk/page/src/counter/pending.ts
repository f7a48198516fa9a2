/**
 * What is needed to ask for a receipt, and to check it, until it is there: also after the tab was
 * closed, the browser or the process ended.
 *
 * It is kept before the submission leaves, by the local process (`gateway/kiosk/pending.py`), sealed
 * under a key that this browser does not give out. So neither the counter's directory nor the
 * browser's profile alone shows anything of it. It goes when the customer has the receipt, when the
 * gateway says that there is none, and after a week.
 *
 * It holds ids, digests, salts and the order: nothing of a face, and no document's number.
 */

import type { LocalProcess } from "../kiosk/local";
import { type Bytes, concat, hex, randomBytes, unhex } from "../wire/bytes";
import { bytes, message, type Of, SMALL, text } from "../wire/message";
import { Opening, PendingReceipt } from "../wire/proof";

/** A submission whose receipt is waited for. */
const KeptSubmission = message("KeptSubmission", {
  /** An encoded `PendingReceipt`. */
  pending: bytes(1, SMALL),
  /** Under which gateway and authority log a refusal. */
  reference: text(/^[0-9a-f-]{36}$/, 36),
});
export type KeptSubmission = Of<typeof KeptSubmission>;

export interface Kept {
  readonly id: string;
  readonly message: PendingReceipt;
  readonly reference: string;
  /** The number or order to be activated. */
  readonly order: string;
}

export interface Found {
  /** The oldest first. */
  readonly kept: Kept[];
  /** Ids of those that cannot be opened: another browser kept them, or they were altered. */
  readonly closed: string[];
}

/** A new id; it means nothing. */
export const newId = (): string => hex(randomBytes(16));

const CIPHER = "AES-GCM";
const NONCE = 12;

export class PendingReceipts {
  constructor(
    /** For AES-GCM. */
    private readonly key: CryptoKey,
    private readonly process: Pick<LocalProcess, "pending" | "keepPending" | "removePending">,
  ) {}

  /** Keep an encoded `PendingReceipt`; it is on the disk then. Throws `KioskProblem`. */
  async keep(id: string, pending: Bytes, reference: string): Promise<void> {
    const iv = randomBytes(NONCE);
    const plain = KeptSubmission.encode({ pending, reference });
    const sealed = await crypto.subtle.encrypt({ name: CIPHER, iv, additionalData: unhex(id) }, this.key, plain);
    await this.process.keepPending(id, hex(concat(iv, new Uint8Array(sealed))));
  }

  /** All that is kept. Throws `KioskProblem`. */
  async all(): Promise<Found> {
    const kept: Kept[] = [];
    const closed: string[] = [];
    for (const { id, content } of await this.process.pending()) {
      const opened = await this.open(id, content);
      if (opened === null) closed.push(id);
      else kept.push(opened);
    }
    kept.sort((one, other) => one.message.sentAt - other.message.sentAt);
    return { kept, closed };
  }

  async remove(id: string): Promise<void> {
    await this.process.removePending(id);
  }

  private async open(id: string, content: string): Promise<Kept | null> {
    try {
      const sealed = unhex(content);
      const [iv, rest] = [sealed.slice(0, NONCE), sealed.slice(NONCE)];
      const plain = await crypto.subtle.decrypt({ name: CIPHER, iv, additionalData: unhex(id) }, this.key, rest);
      const { pending, reference } = KeptSubmission.decode(new Uint8Array(plain));
      const message = PendingReceipt.decode(pending);
      return { id, message, reference, order: Opening.decode(message.opening).activationReference };
    } catch {
      return null;
    }
  }
}
