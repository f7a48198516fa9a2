"""``sealmatch witness``: as ``sealmatch-witness``, which needs the base installation only."""

import argparse

from gateway.witness import cli


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cli.command(commands.add_parser("witness", help="run a witness of transparency logs"))
