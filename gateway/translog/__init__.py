"""The transparency log of match proofs, as C2SP specifies it (protocol, section 10).

The formats are not our own, so that other people's tools verify our proofs: C2SP ``signed-note``,
``tlog-checkpoint``, ``tlog-tiles``, ``tlog-proof``, ``tlog-cosignature``, ``tlog-witness`` and
``tlog-policy`` over the tree of RFC 6962. See ``gateway/docs/LOG.md``.

Pure: no network, clock or disk.

tree          hashes, inclusion and consistency proofs
text          strict base64, decimals and lines
algorithms    Ed25519 and ML-DSA-44
note          text that carries signatures of named keys
checkpoint    origin, size and root of a log
cosignature   signatures over checkpoints, of logs and of witnesses
tiles         how tree and entries are served, and proofs from tiles
proof         a proof that stands alone: index, path, checkpoint
policy        which logs and which witnesses a verifier trusts
witnessing    what log and witness say to each other, and when a witness cosigns
verification  the numbered steps of checking a proof or checkpoint against a policy
"""
