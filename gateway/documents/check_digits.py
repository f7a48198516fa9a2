"""Check digits of identity documents.

Each finds a mistyped or misread number, and proves nothing: whoever invents a number computes its
check digit too.

- ICAO 9303: Doc 9303 Part 3, section 4.9. Weights 7, 3, 1 over the values 0-9, A-Z = 10-35 and
  filler = 0, modulo 10. Finds every wrong digit. A letter passes for a character whose value
  differs by a multiple of ten (0 for A), two neighbours may be swapped if theirs do by five.
- MOD 11-2: ISO/IEC 7064, as GB 11643-1999 prescribes it. Finds every wrong character
  and every swap of two neighbours.
- Hong Kong: one or two letters and six digits, weights 9 to 2 over a space = 36, A-Z = 10-35,
  0-9, modulo 11, with A for ten. The OECD's note "Hong Kong, China: information on tax
  identification numbers" gives the form; the weights are those of the public descriptions, which
  agree. Finds every wrong digit and every swap of two digits.
- CURP: the eighteenth character of Mexico's population register key, by the "Instructivo normativo
  para la asignacion de la Clave Unica de Registro de Poblacion" (Diario Oficial de la Federacion,
  2021-06-18). Weights 18 to 2 over 0-9, A-N, N with tilde, O-Z = 0-36, modulo 10.
- DNI and NIE: the letter of Spain's national identity document, by Real Decreto 1553/2005, article
  11, and Orden INT/2058/2008 for foreigners: the number modulo 23, with X, Y, Z = 0, 1, 2 in front.
"""

from typing import Final

FILLER: Final = "<"
_VALUES: Final = {c: n for n, c in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {FILLER: 0}
_ICAO_WEIGHTS: Final = (7, 3, 1)
_MOD_11_2: Final = "10X98765432"
_HONG_KONG: Final = "0123456789A"
_SPACE: Final = 36
_CURP: Final = {c: n for n, c in enumerate("0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ")}
_DNI: Final = "TRWAGMYFPDXBNJZSQVHLCKE"


def icao(field: str) -> str:
    """The check digit of a field of a machine-readable zone: letters A-Z, digits, fillers."""
    total = sum(_VALUES[c] * _ICAO_WEIGHTS[n % 3] for n, c in enumerate(field))
    return str(total % 10)


def mod_11_2(digits: str) -> str:
    """The check character of 17 digits: a digit or X."""
    total = sum(int(digit) * pow(2, 17 - n, 11) for n, digit in enumerate(digits))
    return _MOD_11_2[total % 11]


def hong_kong(number: str) -> str:
    """The check character of one or two letters and six digits: a digit or A."""
    values = [_VALUES[c] for c in number]
    if len(values) == 7:
        values.insert(0, _SPACE)
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return _HONG_KONG[-total % 11]


def curp(key: str) -> str:
    """The check digit of the first 17 characters of a CURP."""
    total = sum(_CURP[c] * (18 - n) for n, c in enumerate(key))
    return str(-total % 10)


def dni(number: str) -> str:
    """The letter of eight digits, or of X, Y or Z and seven digits."""
    return _DNI[int(number.translate(str.maketrans("XYZ", "012"))) % 23]
