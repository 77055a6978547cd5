"""The scalar types of the catalog's file: exact numbers, durations, moments, names.

Each is a pydantic field type with its own words for what is wrong and what would be right, and
with the JSON Schema that editors check. Numbers arrive as text and leave as whole numbers or
fractions: no float is made on the way (SEM-1).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Annotated, NoReturn
from zoneinfo import available_timezones

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from quotasvc.catalog.problem import nearest
from quotasvc.domain.catalog import TIME_UNITS_MS
from quotasvc.domain.unit import AMOUNT_MAX, NANOS_PER_CURRENCY_UNIT
from quotasvc.domain.window import day_start_ms

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")
_DURATION = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_DURATION_MAX_MS = 3660 * 86_400_000
_GRACE_MAX_MS = 7 * 86_400_000
_YEAR_MIN, _YEAR_MAX = 1971, 2999
_MINUTE = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY_MINUTES = 24 * 60
_ID = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_GLOB = re.compile(r"[a-z0-9*][a-z0-9._/*-]*")
_UNIT = re.compile(r"[a-z][a-z0-9_]*")
_CURRENCY = re.compile(r"[A-Z]{3}")
_ID_CHARACTERS_MAX = 64
_NANO_DIGITS = 9


def fail(wrong: str, right: str) -> NoReturn:
    """Refuses a value in our own words; `shape` reads them back from the context."""
    raise PydanticCustomError("catalog", "{wrong}", {"wrong": wrong, "right": right})


def _number(value: object) -> Fraction:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not _NUMBER.fullmatch(text):
        fail(f"{quoted(value)} is not a decimal number", "write digits, e.g. `2.83`")
    number = Fraction(text)
    if number < 0:
        fail(f"{quoted(value)} is below 0", "write 0 or more")
    return number


def _nanos(value: object, cure: str) -> int:
    nanos = _number(value) * NANOS_PER_CURRENCY_UNIT
    if nanos.denominator != 1:
        fail(f"{quoted(value)} is finer than a whole nano (1e-9 of the currency unit)", cure)
    if nanos > AMOUNT_MAX:
        fail(f"{quoted(value)} is {nanos} nanos, not below 2^53", "write a smaller amount")
    return int(nanos)


def _money(value: object) -> int:
    return _nanos(value, f"write at most {_NANO_DIGITS} decimals")


def _unit_price(value: object) -> int:
    return _nanos(
        value,
        f"write at most {_NANO_DIGITS} decimals: multiply this price and its `per` by the same "
        "power of ten",
    )


def _factor(value: object) -> Fraction:
    factor = _number(value)
    if factor == 0:
        fail("a factor of 0 would hide that something is free", "state `price` rows of 0 instead")
    return factor


def _quantity(value: object) -> Fraction | None:
    return None if value == "unlimited" else _number(value)


def _cap(value: object) -> int | None:
    if value == "unlimited":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= AMOUNT_MAX:
        fail(f"{quoted(value)} is no cap", "write `unlimited` or a whole number above 0")
    return value


def _duration(value: object) -> int:
    length_ms = _length_ms(value)
    if length_ms == 0:
        fail("a duration of 0 ends before it begins", "write at least `1ms`")
    if length_ms > _DURATION_MAX_MS:
        fail(f"{quoted(value)} is too long", "write at most `3660d`")
    return length_ms


def _grace(value: object) -> int:
    length_ms = _length_ms(value)
    if length_ms > _GRACE_MAX_MS:
        fail(f"{quoted(value)} is too long a grace: nobody has paid for it", "write at most `7d`")
    return length_ms


def _length_ms(value: object) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        fail(
            f"{quoted(value)} is not a duration",
            "write a whole number with ms, s, m, h or d, e.g. `5h` or `365d`",
        )
    return int(match[1]) * TIME_UNITS_MS[match[2]]


def _moment(value: object) -> date | datetime:
    moment = _parsed_moment(value) if isinstance(value, str) else None
    if moment is None:
        fail(
            f"{quoted(value)} is not a moment",
            "write a day of the catalog's zone, e.g. `2026-03-23`, or an instant with its "
            "offset, e.g. `2026-03-23T00:00:00+08:00`",
        )
    if not _YEAR_MIN <= moment.year <= _YEAR_MAX:
        fail(f"{quoted(value)} is out of range", f"write a year of {_YEAR_MIN} to {_YEAR_MAX}")
    if isinstance(moment, datetime) and moment.microsecond % 1_000:
        fail(f"{quoted(value)} is finer than a millisecond", "write at most 3 decimals of a second")
    return moment


def _parsed_moment(text: str) -> date | datetime | None:
    try:
        if len(text) == len("2026-03-23"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def moment_ms(moment: date | datetime, zone: str) -> int:
    """A moment of the file as an instant; days begin in the catalog's zone."""
    if isinstance(moment, datetime):
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    return day_start_ms(moment, zone)


def _minute(value: object) -> int:
    match = _MINUTE.fullmatch(value) if isinstance(value, str) else None
    minute = int(match[1]) * 60 + int(match[2]) if match else _DAY_MINUTES + 1
    if minute > _DAY_MINUTES:
        fail(f"{quoted(value)} is not a time of day", 'write hours and minutes, e.g. "15:00"')
    return minute


def _named(value: object, pattern: re.Pattern[str], what: str, right: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        fail(f"{quoted(value)} is no {what}", right)
    if len(value) > _ID_CHARACTERS_MAX:
        fail(f"{quoted(value)} is too long", f"write at most {_ID_CHARACTERS_MAX} characters")
    return value


def _id(value: object) -> str:
    text = re.sub(r"[^a-z0-9._/-]+", "-", str(value).lower()).lstrip("-._/") or "text/m3"
    return _named(value, _ID, "id", f"use a-z, 0-9 and . _ / - alone, e.g. `{text}`")


def _glob(value: object) -> str:
    return _named(value, _GLOB, "id or pattern", "write an id, or a pattern such as `text/*`")


def _unit(value: object) -> str:
    return _named(value, _UNIT, "unit", "use a-z, 0-9 and _ alone, e.g. `input_tokens`")


def _currency(value: object) -> str:
    return _named(value, _CURRENCY, "currency", "write its ISO 4217 code, e.g. `USD`")


def _attribute(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        fail(f"{quoted(value)} is no attribute value", "write text or a whole number, e.g. `768P`")
    return str(value)


def _zone(value: object) -> str:
    if not isinstance(value, str) or value not in _zones():
        cure = nearest(str(value), _zones()) or "write e.g. `UTC` or `Asia/Shanghai`"
        fail(f"{quoted(value)} is no IANA time zone", cure)
    return value


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def quoted(value: object) -> str:
    """A value as the author wrote it, for messages; lists and mappings are only named."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "a list"
    return "a mapping" if isinstance(value, dict) else f"`{value}`"


def _text_schema(pattern: re.Pattern[str], **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern.pattern})$", **more})


_NUMBER_SCHEMA: dict[str, object] = {
    "type": ["number", "string"],
    "minimum": 0,
    "pattern": r"^[0-9]{1,30}(\.[0-9]{1,30})?$",
}

Money = Annotated[
    int, PlainValidator(_money), WithJsonSchema(_NUMBER_SCHEMA), Field(examples=["20"])
]
"""An amount in currency units, as nanos."""

UnitPrice = Annotated[
    int, PlainValidator(_unit_price), WithJsonSchema(_NUMBER_SCHEMA), Field(examples=["0.30"])
]
"""A list price in currency units, as nanos."""

Factor = Annotated[
    Fraction, PlainValidator(_factor), WithJsonSchema(_NUMBER_SCHEMA), Field(examples=["1.5"])
]
"""An exact factor above 0."""

Number = Annotated[
    Fraction, PlainValidator(_number), WithJsonSchema(_NUMBER_SCHEMA), Field(examples=["1"])
]
"""An exact number, 0 or more."""

Quantity = Annotated[
    Fraction | None,
    PlainValidator(_quantity),
    WithJsonSchema(
        {"anyOf": [{"const": "unlimited"}, _NUMBER_SCHEMA], "examples": [1500, "unlimited"]}
    ),
    Field(examples=["1500"]),
]
"""An exact number, or None for `unlimited`."""

Cap = Annotated[
    int | None,
    PlainValidator(_cap),
    WithJsonSchema({"anyOf": [{"const": "unlimited"}, {"type": "integer", "minimum": 1}]}),
    Field(examples=["unlimited"]),
]
"""A whole number above 0, or None for `unlimited`."""

Duration = Annotated[
    int, PlainValidator(_duration), _text_schema(_DURATION), Field(examples=["5h"])
]
"""A length of time, as milliseconds."""

Grace = Annotated[int, PlainValidator(_grace), _text_schema(_DURATION), Field(examples=["24h"])]
"""A length of time that may be none (`0s`), as milliseconds."""

Moment = Annotated[
    date | datetime,
    PlainValidator(_moment),
    WithJsonSchema({"type": "string", "examples": ["2026-03-23", "2026-03-23T00:00:00+08:00"]}),
    Field(examples=["2026-03-23"]),
]
"""A day of the catalog's zone, or an instant with its offset."""

Minute = Annotated[int, PlainValidator(_minute), _text_schema(_MINUTE), Field(examples=["15:00"])]
"""A time of day, as minutes after midnight; 24:00 is the end of the day."""

Id = Annotated[str, PlainValidator(_id), _text_schema(_ID, maxLength=_ID_CHARACTERS_MAX)]
Glob = Annotated[str, PlainValidator(_glob), _text_schema(_GLOB, maxLength=_ID_CHARACTERS_MAX)]
"""A resource id, or a pattern in which * stands for anything."""

Unit = Annotated[str, PlainValidator(_unit), _text_schema(_UNIT, maxLength=_ID_CHARACTERS_MAX)]
Currency = Annotated[
    str, PlainValidator(_currency), _text_schema(_CURRENCY), Field(examples=["USD"])
]
Attribute = Annotated[
    str, PlainValidator(_attribute), WithJsonSchema({"type": ["string", "integer"]})
]
Zone = Annotated[
    str, PlainValidator(_zone), WithJsonSchema({"type": "string"}), Field(examples=["UTC"])
]
"""An IANA time zone."""
