"""Runs a module that ends when the process that started it does.

``python -m gateway.lab.deployment.attached MODULE ARGUMENT...``, with a pipe as standard input. The
pipe ends when the process at its other end does, even by SIGKILL. Then the module gets SIGTERM, as
from an operator. A few seconds later the process ends in any case: whoever started it is gone, and
may want its port and its directory again.
"""

import os
import runpy
import signal
import sys
import threading
import time

STOP_SECONDS = 3


def main() -> None:
    """Run the module that the arguments name, with the arguments that follow."""
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_the_starter() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    main()
