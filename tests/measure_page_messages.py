"""Whether page and servers take the same bytes for a message: ``python -m
tests.measure_page_messages [MUTANTS]``.

Golden messages are altered at random. For each mutant Python's verdict is compared with that of the
page's code, in node. What one of them takes and the other refuses would be two readings of one
message. It ends with an error at the first difference.
"""

import subprocess
import sys
from random import Random
from typing import IO

from gateway.wire.errors import BodyTooLarge, MalformedMessage
from gateway.wire.message import Message
from tests.fuzz.mutations import scramble
from tests.support.page_client import PAGE
from tests.vectors import golden

MUTANTS = 100_000
SEED = 13
LONGEST = 4096
"""Bytes of a golden message. Those with ciphertexts would be altered in them alone."""
AT_ONCE = 20
"""Mutants on the way at a time; a pipe holds the answers to so many."""


def seeds(known: set[str]) -> list[tuple[type[Message], bytes]]:
    messages = [one for cases in golden.MESSAGES.values() for one in cases]
    encoded = [(type(one), one.encode()) for one in messages if type(one).__name__ in known]
    return [(kind, data) for kind, data in encoded if len(data) <= LONGEST]


def taken(kind: type[Message], data: bytes) -> str:
    try:
        kind.decode(data)
    except (MalformedMessage, BodyTooLarge):
        return "0"
    return "1"


def compare(asked: IO[str], told: IO[str], mutants: int) -> int:
    """How many mutants both take. Raises ``SystemExit`` at the first difference."""
    rng, given, valid = Random(SEED), seeds(set(told.readline().split())), 0
    others = [data for _, data in given]
    for _ in range(0, mutants, AT_ONCE):
        made = [(kind, scramble(rng, data, others)) for kind, data in rng.choices(given, k=AT_ONCE)]
        made = [(kind, data[:LONGEST]) for kind, data in made]
        for kind, data in made:
            asked.write(f"{kind.__name__} {data.hex()}\n")
            asked.flush()
        for kind, data in made:
            here, there = taken(kind, data), told.readline().strip()
            if here != there:
                sys.exit(f"{kind.__name__}: {here} here, {there} in the page: {data.hex()}")
            valid += here == "1"
    return valid


def main() -> None:
    mutants = int(sys.argv[1]) if sys.argv[1:] else MUTANTS
    command = ["node", "test/drive/run.mjs", "messages"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=PAGE, text=True, stdin=pipe, stdout=pipe) as node:
        assert node.stdin is not None
        assert node.stdout is not None
        valid = compare(node.stdin, node.stdout, mutants)
        node.stdin.close()
    print(f"{mutants} mutants of golden messages; both take {valid} and refuse the others")


if __name__ == "__main__":
    main()
