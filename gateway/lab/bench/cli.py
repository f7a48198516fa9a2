"""``sealmatch bench``: measurements, each in a module of its own."""

import argparse

from gateway.lab.bench import audit, he, log, retention, vision
from gateway.lab.bench.capacity import cli as capacity
from gateway.lab.bench.faults import cli as faults
from gateway.lab.bench.load import cli as load


def configure(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(required=True, metavar="WHAT")
    for measurement in (he, log, retention, vision, audit, load, faults, capacity):
        measurement.add_parser(kinds)
