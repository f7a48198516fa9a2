"""One side of ``tests.measure_first_release``: runs in either tree, with what both have in common.

Started as a file, with the tree on the path. It starts that tree's deployment and counters, prints
the servers' process ids, and registers as many as each line of its input says.
"""

import contextlib
import io
import json
import multiprocessing
import sys
import tempfile
from pathlib import Path

try:
    from gateway.lab.deployment.local import LocalDeployment
except ImportError:  # the first release
    from gateway.cli.local import LocalDeployment  # type: ignore[no-redef, import-not-found]

from tests.support.counter import Counter
from tests.support.samples import MODEL, PROBE, TEMPLATE

AUDIT_ONE_IN = 64


def main():
    given = json.loads(sys.argv[1])
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        deployment = LocalDeployment(root, MODEL, audit_one_in=AUDIT_ONE_IN, **given["settings"])
        with contextlib.redirect_stderr(io.StringIO()):
            stack.enter_context(deployment)
        serve(deployment, given["clients"])


def serve(deployment, clients):
    context = multiprocessing.get_context("fork")
    pipes, processes = [], []
    for _ in range(clients):
        ours, theirs = context.Pipe()
        process = context.Process(target=register, args=(deployment, theirs), daemon=True)
        process.start()
        pipes.append(ours)
        processes.append(process)
    names = ("authority", "auditor", "gateway")
    pids = {n: s.process.pid for n, s in zip(names, deployment.servers, strict=True)}
    print(json.dumps(pids), flush=True)
    for line in sys.stdin:
        total = int(line)
        shares = [total // clients + (n < total % clients) for n in range(clients)]
        for pipe, share in zip(pipes, shares, strict=True):
            pipe.send(share)
        print(json.dumps({"matches": sum(pipe.recv() for pipe in pipes)}), flush=True)
    for pipe in pipes:
        pipe.send(None)
    for process in processes:
        process.join()


def register(deployment, pipe):
    counter = Counter(deployment)
    while (count := pipe.recv()) is not None:
        outcomes = [counter.register(TEMPLATE, PROBE).outcome for _ in range(count)]
        pipe.send(outcomes.count("MATCH"))


if __name__ == "__main__":
    main()
