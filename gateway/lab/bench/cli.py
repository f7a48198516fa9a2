"""``sealmatch bench``: measurements, each in a module of its own."""

import argparse

from gateway.lab.bench import audit, he, log, retention, vision


def configure(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    for measurement in (he, log, retention, vision, audit):
        measurement.add_parser(kinds)
