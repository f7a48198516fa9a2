/**
 * Between the page and the issuer in the local process (`gateway/kiosk/messages.py`). Both go over
 * loopback alone; the issuer verifies the grant itself, and seals what it hands over.
 */

import { commitment, nonce, salt, signedBytes } from "./fields";
import { bytes, message, nullable, type Of, SMALL } from "./message";
import { PUBLIC_KEY_BYTES } from "./profile";
import { sealedDealing, sealedTemplate, Submission } from "./submission";

/** Seal a template of the document that was read, for this session. */
export const TemplateOrder = message(
  "TemplateOrder",
  { handle: bytes(16), grant: signedBytes, publicKey: bytes(PUBLIC_KEY_BYTES), clientNonce: nonce },
  { maxBytes: PUBLIC_KEY_BYTES + 2 * SMALL },
);

/** What the page carries to the gateway, and the opening for the subscriber. */
export const TemplateIssued = message(
  "TemplateIssued",
  {
    sealedTemplate,
    sealedDealing,
    assertion: signedBytes,
    subjectSalt: salt,
    /** To the document of the guardian who agrees in a minor's place. */
    guardianCommitment: nullable(commitment),
  },
  { maxBytes: Submission.maxBytes },
);
export type TemplateIssued = Of<typeof TemplateIssued>;
