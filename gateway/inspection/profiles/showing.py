"""Profiles and what an inspection shows of them, as text for a terminal."""

import textwrap
from collections.abc import Iterator

from gateway.inspection.profiles.evaluation import JudgedLine, Judgement, ProfileReport
from gateway.inspection.profiles.form import READ_AS, Profile, ProfileLine

_WIDTH = 100
_MARKS = {
    Judgement.CONTRADICTED: "NO  ",
    Judgement.NOTHING: "?   ",
    Judgement.WORD: "word",
    Judgement.SUPPORTED: "ok  ",
}


def profile_text(profile: Profile) -> str:
    """A profile with all of its lines."""
    parts = [*_head(profile), ""]
    for placed in profile.lines:
        line = placed.line
        named = line.id if placed.profile == profile.name else f"{line.id} (of {placed.profile})"
        parts += [named, *_indented(line.requirement), *_source(line)]
        checks = ", ".join(line.checks) or "none: no inspection can show it"
        parts += [*_indented(f"checks: {checks}"), *_open(line), ""]
    return "\n".join(parts)


def report_text(report: ProfileReport) -> str:
    """What an inspection shows of a profile."""
    parts = [*_head(report.profile)]
    parts += [f"{count:4} {one.value}" for one, count in report.counts.items()]
    for judged in report.lines:
        parts += ["", *_line(judged)]
    return "\n".join((*parts, ""))


def _line(judged: JudgedLine) -> Iterator[str]:
    line = judged.placed.line
    yield f"{_MARKS[judged.judgement]} {line.id}: {judged.judgement.value}"
    yield from _indented(line.requirement)
    for one in judged.checks:
        if one.judgement is not Judgement.SUPPORTED:
            yield from _indented(f"{one.check}: {one.why}")
    passed = [one.check for one in judged.checks if one.judgement is Judgement.SUPPORTED]
    if passed:
        yield from _indented(f"passed: {', '.join(passed)}")
    yield from _open(line)
    yield from _source(line)


def _head(profile: Profile) -> Iterator[str]:
    yield f"{profile.title} ({profile.name}, {profile.jurisdiction}, {profile.version})"
    if profile.bases:
        yield f"extends {', '.join(profile.bases)}"
    yield from textwrap.wrap(profile.notice, _WIDTH)


def _open(line: ProfileLine) -> Iterator[str]:
    for word in line.rests_on:
        yield from _indented(f"on word or paper: {word}")
    if line.gap is not None:
        yield from _indented(f"GAP: {line.gap}")


def _source(line: ProfileLine) -> Iterator[str]:
    source = line.source
    yield from _indented(f"{source.title}, {source.article}: {source.address}")
    yield from _indented(f"{READ_AS[line.source_kind]}, {line.looked_up}: {line.read}")


def _indented(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent="     ",
        subsequent_indent="     ",
        break_long_words=False,
        break_on_hyphens=False,
    )
