"""Amounts of CPU, memory and the like: `500m`, `64Mi`, `1e3` as exact numbers, and back in the form Kubernetes stores.

`defaults.py` writes every Quantity field canonically; scheduler, admission and validation count with `parse`.
The rules are Kubernetes' (k8s.io/apimachinery/pkg/api/resource/quantity.go): a value keeps the family of its suffix
(decimal, binary, exponent) and is written with the largest suffix that needs no fraction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Literal

Format = Literal["DecimalSI", "BinarySI", "DecimalExponent"]

EXPRESSION = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
WRONG_FORMAT = f"quantities must match the regular expression '{EXPRESSION}'"
WRONG_NUMBER = "unable to parse numeric part of quantity"
WRONG_SUFFIX = "unable to parse quantity's suffix"

DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_NAMES = {exponent: suffix for suffix, exponent in DECIMAL.items()}
_SPLIT = re.compile(r"([+-]?[0-9]*(?:\.[0-9]*)?)([eEinumkKMGTP]*[-+]?[0-9]*)", re.ASCII)
_EXPONENT = re.compile(r"[eE][-+]?[0-9]{1,9}", re.ASCII)
_MOST = Decimal(2**63 - 1)
_LEAST = Decimal("1e-9")

Amount = str | int | float


def parse(quantity: Amount) -> Decimal:
    """The exact number. Raises ValueError with Kubernetes' words."""
    return _read(str(quantity))[0]


def canonical(quantity: Amount) -> str:
    """The quantity as Kubernetes stores it: `1000m` -> `1`, `0.5` -> `500m`, `1024Mi` -> `1Gi`. Raises ValueError."""
    return _canonical(str(quantity))


def value(quantity: Amount) -> int:
    """Whole units (bytes, pods), rounded up."""
    return int(parse(quantity).to_integral_value(ROUND_CEILING))


def milli(quantity: Amount) -> int:
    """Thousandths (of a CPU), rounded up."""
    return int((parse(quantity) * 1000).to_integral_value(ROUND_CEILING))


def add(quantities: Iterable[Amount]) -> str:
    """The sum, written in the family of the first quantity that is not zero."""
    total, family = Decimal(0), None
    for quantity in quantities:
        number, form = _read(str(quantity))
        total += number
        family = family or (form if number else None)
    return _write(total, family or "DecimalSI")


def subtract(quantity: Amount, other: Amount) -> str:
    """What is left, written in the family of the first."""
    number, form = _read(str(quantity))
    return _write(number - parse(other), form)


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    return _write(*_read(text))


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[Decimal, Format]:
    """The number and the family of its suffix."""
    match = _SPLIT.fullmatch(text)
    if match is None or not text:
        raise ValueError(WRONG_FORMAT)
    number, suffix = match.groups()
    if not any(character.isdigit() for character in number):
        raise ValueError(WRONG_FORMAT if number in ("", "+", "-") and not suffix else WRONG_NUMBER)
    form, factor = _meaning(suffix)
    return _within(Decimal(number) * factor), form


def _meaning(suffix: str) -> tuple[Format, Decimal]:
    if suffix in DECIMAL:
        return "DecimalSI", Decimal(10) ** DECIMAL[suffix]
    if suffix in BINARY:
        return "BinarySI", Decimal(2) ** BINARY[suffix]
    if not _EXPONENT.fullmatch(suffix):
        raise ValueError(WRONG_SUFFIX)
    return "DecimalExponent", Decimal(10) ** max(-999, min(999, int(suffix[1:])))


def _within(number: Decimal) -> Decimal:
    """Kubernetes keeps nine decimals, rounding away from zero, and no more than an int64 holds."""
    if abs(number) > _MOST:
        return _MOST.copy_sign(number)
    rounded = abs(number).quantize(_LEAST, ROUND_CEILING)
    return rounded.copy_sign(number) if rounded else Decimal(0)


def _write(number: Decimal, form: Format) -> str:
    if not number:
        return "0"
    if form == "BinarySI" and abs(number) >= 1024 and number == number.to_integral_value():
        return _binary(int(number))
    mantissa, exponent = _thousands(number)
    if form == "DecimalExponent":
        return f"{mantissa}e{exponent}" if exponent else str(mantissa)
    return f"{mantissa}{_DECIMAL_NAMES[exponent]}"


def _binary(number: int) -> str:
    suffix = ""
    for name in BINARY:
        if number % 1024:
            break
        number, suffix = number // 1024, name
    return f"{number}{suffix}"


def _thousands(number: Decimal) -> tuple[int, int]:
    """Mantissa and exponent, the exponent a multiple of three and as large as leaves the mantissa whole."""
    mantissa, exponent = int(number.scaleb(9)), -9
    while mantissa % 1000 == 0 and exponent < 18:
        mantissa, exponent = mantissa // 1000, exponent + 3
    return mantissa, exponent
