"""The pages' languages: texts from one file each, numbers and dates as people write them.

Dates are in UTC and say so. Numbers are grouped: English and Chinese with commas, Spanish with a
narrow space from five digits on (Real Academia Española; everybody who reads Spanish reads it).
"""

import datetime
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal, get_args

from gateway.console.rounding import STEP
from gateway.inspection.small_counts import LEAST

Language = Literal["en", "zh", "es"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
NAMES: Final[Mapping[Language, str]] = {"en": "English", "zh": "中文", "es": "Español"}
TAGS: Final[Mapping[Language, str]] = {"en": "en", "zh": "zh-Hans", "es": "es"}

DAY: Final = 86_400
_MONTHS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "es": ("ene", "feb", "mar", "abr", "may", "jun",
           "jul", "ago", "sept", "oct", "nov", "dic"),
}  # fmt: skip
_EPOCH: Final = datetime.date(1970, 1, 1).toordinal()
_NARROW_SPACE: Final = "\u202f"


@cache
def texts(language: Language) -> Mapping[str, str]:
    """Every text of a language, by ``section.name``."""
    file = files("gateway.console") / "texts" / f"{language}.toml"
    read = tomllib.loads(file.read_text(encoding="utf-8"))
    return {
        f"{part}.{name}": text for part, all_of in read.items() for name, text in all_of.items()
    }


def chosen(named: str | None, accepted: str) -> Language:
    """The language of a page: the one that was chosen, else the first one that a browser accepts
    (``Accept-Language``, by weight), else English."""
    for one in LANGUAGES:
        if named == one:
            return one
    weighed = []
    for place, part in enumerate(accepted[:200].split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        for one in LANGUAGES:
            if tag.lower().partition("-")[0] == one:
                weighed.append((-_weight(weight), place, one))
    return min(weighed)[2] if weighed else "en"


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


@dataclass(frozen=True)
class Speech:
    """Words, numbers and dates of one language."""

    language: Language

    def __call__(self, key: str, **values: object) -> str:
        """A text. Raises ``KeyError`` for one that is not there."""
        text = texts(self.language)[key]
        return text.format(**values) if values else text

    def or_else(self, key: str, otherwise: str) -> str:
        """A text, or what is given if there is none of this key: for codes from the database."""
        return texts(self.language).get(key, otherwise)

    def number(self, number: int) -> str:
        if self.language != "es":
            return f"{number:,}"
        return str(number) if number < 10_000 else f"{number:,}".replace(",", _NARROW_SPACE)

    def decimal(self, number: float) -> str:
        """To one decimal."""
        text = f"{number:.1f}"
        return text.replace(".", ",") if self.language == "es" else text

    def stock(self, number: int) -> str:
        """A count as ``rounding.stock`` gives it."""
        key = "count.over" if number else "count.below"
        return self(key, number=self.number(number or STEP))

    def cell(self, number: int) -> str:
        """A count as ``rounding.cell`` gives it."""
        key = "count.over" if number else "count.below"
        return self(key, number=self.number(number or LEAST))

    def short_cell(self, number: int) -> str:
        """The same, for tables."""
        key = "count.over" if number else "count.short"
        return self(key, number=self.number(number or LEAST))

    def short_day(self, day: int) -> str:
        """Without its year."""
        found = datetime.date.fromordinal(_EPOCH + day)
        if self.language == "zh":
            return f"{found.month}月{found.day}日"
        return f"{found.day} {_MONTHS[self.language][found.month - 1]}"

    def day(self, day: int) -> str:
        """A day since 1970-01-01."""
        return self._date(datetime.date.fromordinal(_EPOCH + day))

    def moment(self, at: int) -> str:
        """A time, in UTC."""
        found = datetime.datetime.fromtimestamp(at, datetime.UTC)
        return f"{self._date(found)}{self('time.between')}{found:%H:%M} UTC"

    def date(self, at: int) -> str:
        """The day of a time, in UTC."""
        return f"{self.day(at // DAY)} UTC"

    def ago(self, seconds: int) -> str:
        """How long ago, in hours or days: seconds would tell when somebody registered."""
        hours = max(0, seconds) // 3600
        if hours < 1:
            return self("time.now")
        if hours < 48:
            return self("time.hour") if hours == 1 else self("time.hours", number=hours)
        return self("time.days", number=self.number(hours // 24))

    def days(self, number: int) -> str:
        return (
            self("time.one_day")
            if number == 1
            else self("time.some_days", number=self.number(number))
        )

    def listed(self, words: Iterable[str]) -> str:
        return self("time.comma").join(words)

    def _date(self, day: datetime.date) -> str:
        if self.language == "zh":
            return f"{day.year}年{day.month}月{day.day}日"
        return f"{day.day} {_MONTHS[self.language][day.month - 1]} {day.year}"
