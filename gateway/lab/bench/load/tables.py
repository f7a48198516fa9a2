"""The report as text."""

from typing import Any, Final

from gateway.lab.bench.load.figures import QUANTILES, STAGES

_MANY: Final = 1000
"""Verifications from which growth of memory can be told from what is allocated once."""


def table(found: dict[str, Any]) -> str:
    """A run as ``run.report`` gives it."""
    lines = [
        f"{found['verificationsPerSecond']:.2f} verifications a second "
        f"({found['verifications']} in {found['seconds']:.1f} s, {found['clients']} clients, "
        f"{found['loop']} loop, {found['database']})",
        f"decisions as the plaintexts': {found['decisionsAsPlaintext']} of "
        f"{found['verifications']}; receipts verified: {found['receiptsVerified']}; "
        f"session keys: {found['distinctSessionKeys']}",
        "",
        "milliseconds  " + "".join(f"{name:>10}" for name, _ in QUANTILES),
    ]
    for stage in STAGES:
        took = found["latencyMs"][stage]
        if took:
            lines.append(f"  {stage:<12}" + "".join(f"{took[name]:10.0f}" for name, _ in QUANTILES))
    lines += ["", f"{'processes':<20}{'CPU ms per verification':>26}{'peak MB':>12}"]
    for name, spent in found["cpuMs"].items():
        peaks = found["memoryMb"].get(name, [])
        shown = f"{len(peaks)} x {max(peaks):.0f}" if peaks else "-"
        lines.append(f"  {name:<18}{spent:26.2f}{shown:>12}")
    generator, sizes = found["generatorCpuMs"], found["bytes"]
    lines += [
        f"  {'together':<18}{sum(found['cpuMs'].values()):26.2f}",
        "",
        f"generator: cryptography {generator['crypto']:.1f} ms, rest {generator['rest']:.1f} ms",
        f"bytes at a counter: {sizes['sent']:,} sent, {sizes['received']:,} received",
        f"transactions per verification: {found['transactions']:.1f}",
        f"errors: {_listed(found['errors'])}; made good by a retry: {_listed(found['retries'])}",
    ]
    if found["verifications"] >= _MANY:
        grown = ", ".join(f"{name} {mb:+.2f}" for name, mb in found["memoryMbPer1000"].items())
        lines.append(f"MB per 1,000 verifications, second half: {grown}")
    return "\n".join(lines)


def scaling_table(found: dict[str, Any]) -> str:
    """A comparison as ``scaling.compare`` gives it."""
    return (
        f"two processes on one core: {found['twoProcessesOneCore']:.2f} a second\n"
        f"four processes on two cores: {found['fourProcessesTwoCores']:.2f} a second\n"
        f"ratio of the medians: {found['ratio']:.2f}"
    )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())) or "none"
