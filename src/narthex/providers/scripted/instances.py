"""Makes a valid instance of a JSON schema, the same for the same chance.

What was made is checked against the schema before it is given out: an answer that claims to fit does fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor, isfinite
from random import Random
from typing import cast

from narthex.providers.scripted.patterns import matching
from narthex.providers.scripted.schemas import (
    Keywords,
    Schema,
    UnsupportedSchema,
    as_mapping,
    as_names,
    is_number,
    same,
)
from narthex.providers.scripted.texts import pseudo_text

_ATTEMPTS = 12
_NODES = 2_000
"""Values in one instance; a schema that needs more is refused."""
_FULL_DEPTH = 5
"""Below this nesting only what is required is made, so that recursive schemas come to an end."""
_MAX_DEPTH = 20
_MAX_LENGTH = 20_000
"""Longest string and longest list made."""

_FORMATS = {
    "date-time": "2026-03-14T09:26:53Z",
    "date": "2026-03-14",
    "time": "09:26:53Z",
    "duration": "PT15M",
    "email": "ada@example.com",
    "idn-email": "ada@example.com",
    "hostname": "example.com",
    "idn-hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/a",
    "uri-reference": "/a",
    "iri": "https://example.com/a",
    "iri-reference": "/a",
    "uuid": "6f1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
    "json-pointer": "/a",
    "regex": "a+",
}


def instance(schema: object, chance: Random) -> object:
    """Return a value that fits `schema`.

    Raises:
        UnsupportedSchema: None was found: the schema contradicts itself, or asks for more than is understood here.
    """
    document = Schema(schema)
    problem: UnsupportedSchema | None = None
    for _ in range(_ATTEMPTS):
        try:
            value = _Maker(document, chance).make(schema, 0)
            if document.fits(value, schema):
                return value
        except UnsupportedSchema as error:
            problem = error
        except RecursionError:
            problem = UnsupportedSchema("the schema has no end")
        except OverflowError:
            problem = UnsupportedSchema("a number in the schema is beyond all measure")
    raise problem or UnsupportedSchema("no value was found that fits the schema")


class _Maker:
    """One attempt: follows the schema, taking the choices that chance gives."""

    def __init__(self, document: Schema, chance: Random) -> None:
        self._document = document
        self._chance = chance
        self._nodes = 0

    def make(self, schema: object, depth: int) -> object:
        """Return a value meant to fit `schema`."""
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _NODES:
            raise UnsupportedSchema("the schema has no end, or asks for too much")
        keywords = self._document.resolve(schema)
        if keywords is False:
            raise UnsupportedSchema("the schema allows no value")
        if keywords is True:
            return pseudo_text(self._chance, 3)
        return self._from_keywords(self._merged(keywords), depth)

    def _merged(self, keywords: Keywords) -> Keywords:
        options = keywords.get("allOf")
        if not isinstance(options, list):
            return keywords
        merged = {keyword: value for keyword, value in keywords.items() if keyword != "allOf"}
        for option in options:
            resolved = self._document.resolve(option)
            if not isinstance(resolved, bool):
                merged = _merge(merged, self._merged(resolved))
        return merged

    def _from_keywords(self, keywords: Keywords, depth: int) -> object:
        if "const" in keywords:
            return keywords["const"]
        if isinstance(keywords.get("enum"), list):
            return self._one_of_enum(keywords)
        for keyword in ("anyOf", "oneOf"):
            if isinstance(keywords.get(keyword), list):
                return self._one_option(keywords, keyword, depth)
        return _MAKERS[self._type(keywords)](self, keywords, depth)

    def _one_of_enum(self, keywords: Keywords) -> object:
        rest = {keyword: value for keyword, value in keywords.items() if keyword != "enum"}
        fitting = [value for value in cast("list[object]", keywords["enum"]) if self._document.fits(value, rest)]
        if not fitting:
            raise UnsupportedSchema("no value of an `enum` fits the rest of its schema")
        return self._chance.choice(fitting)

    def _one_option(self, keywords: Keywords, keyword: str, depth: int) -> object:
        options = list(cast("list[object]", keywords[keyword]))
        self._chance.shuffle(options)
        if depth > _FULL_DEPTH:
            options.sort(key=lambda option: "$ref" in option if isinstance(option, Mapping) else False)
        rest = {name: value for name, value in keywords.items() if name != keyword}
        problem = UnsupportedSchema(f"`{keyword}` offers nothing")
        for option in options:
            resolved = self._document.resolve(option)
            try:
                return self.make(_merge(rest, resolved) if not isinstance(resolved, bool) else resolved, depth + 1)
            except UnsupportedSchema as error:
                problem = error
        raise problem

    def _type(self, keywords: Keywords) -> str:
        named = keywords.get("type")
        if isinstance(named, list):
            named = next((name for name in named if name != "null"), "null")
        if isinstance(named, str):
            if named not in _MAKERS:
                raise UnsupportedSchema(f"no type {named!r:.80}")
            return named
        for name, signs in _SIGNS.items():
            if any(sign in keywords for sign in signs):
                return name
        return "string"

    def make_null(self, _keywords: Keywords, _depth: int) -> None:
        """Return the only value of its type."""
        return

    def make_boolean(self, _keywords: Keywords, _depth: int) -> bool:
        """Toss a coin."""
        return self._chance.random() < 0.5

    def make_integer(self, keywords: Keywords, _depth: int) -> int:
        """Return a whole number within the bounds."""
        step = _read(keywords, "multipleOf", 1.0)
        if step <= 0 or not step.is_integer():
            step = 1.0
        low, high = _bounds(keywords, span=99 * step)
        least, most = ceil(low / step), floor(high / step)
        if "exclusiveMinimum" in keywords and least * step <= _read(keywords, "exclusiveMinimum", low):
            least += 1
        if "exclusiveMaximum" in keywords and most * step >= _read(keywords, "exclusiveMaximum", high):
            most -= 1
        if least > most:
            raise UnsupportedSchema("no whole number fits its bounds")
        return self._chance.randint(least, most) * int(step)

    def make_number(self, keywords: Keywords, depth: int) -> float:
        """Return a number within the bounds."""
        step = _read(keywords, "multipleOf", 0.0)
        low, high = _bounds(keywords, span=100.0)
        if step > 0:
            return round(self._chance.randint(ceil(low / step), max(ceil(low / step), floor(high / step))) * step, 9)
        value = round(self._chance.uniform(low, high), 2)
        if not isfinite(value):
            raise UnsupportedSchema("the bounds of a number are too far apart")
        return value if low < value < high else (low + high) / 2

    def make_string(self, keywords: Keywords, _depth: int) -> str:
        """Return a text of the pattern, format or length asked."""
        least, most = _sizes(keywords, "minLength", "maxLength", usual=60)
        if isinstance(keywords.get("pattern"), str):
            return matching(cast("str", keywords["pattern"]), least=least, most=most)
        form = keywords.get("format")
        if isinstance(form, str) and form in _FORMATS:
            return _FORMATS[form]
        text = pseudo_text(self._chance, self._chance.randint(2, 8))
        while len(text) < least:
            text = f"{text} {pseudo_text(self._chance, 8)}"
        return text[:most].strip().ljust(least, ".")

    def make_array(self, keywords: Keywords, depth: int) -> list[object]:
        """Return a list of the length asked."""
        usual = 2 if depth <= _FULL_DEPTH else 0
        places = self._places(keywords)
        least, most = _sizes(keywords, "minItems", "maxItems", usual=max(usual, len(places)))
        found = self._contained(keywords)
        size = min(max(least, usual, len(places), len(found)), most)
        rest: object = keywords.get("items", True)
        options = [*places, *found][:size]
        if not isinstance(rest, list) and rest is not False:
            options += [rest] * (size - len(options))
        made: list[object] = []
        for option in options:
            made.append(
                self._fresh(option, made, depth) if keywords.get("uniqueItems") else self.make(option, depth + 1)
            )
        return made

    def _places(self, keywords: Keywords) -> list[object]:
        places = keywords.get("prefixItems", keywords.get("items"))
        return list(places) if isinstance(places, list) else []

    def _contained(self, keywords: Keywords) -> list[object]:
        if "contains" not in keywords:
            return []
        return [keywords["contains"]] * min(int(_read(keywords, "minContains", 1.0)), _MAX_LENGTH)

    def _fresh(self, schema: object, made: list[object], depth: int) -> object:
        for _ in range(50):
            value = self.make(schema, depth + 1)
            if not any(same(value, other) for other in made):
                return value
        raise UnsupportedSchema("not enough different values for `uniqueItems`")

    def make_object(self, keywords: Keywords, depth: int) -> dict[str, object]:
        """Return an object with what is required, and what is optional unless too deep."""
        properties = as_mapping(keywords.get("properties", {}))
        required = as_names(keywords.get("required", []))
        least, most = _sizes(keywords, "minProperties", "maxProperties", usual=_NODES)
        optional = [key for key in properties if key not in required] if depth <= _FULL_DEPTH else []
        kept = set(required) | set(optional[: max(0, most - len(required))])
        made: dict[str, object] = {}
        for key in [*(key for key in properties if key in kept), *(key for key in required if key not in properties)]:
            self._put(
                made, key, properties.get(key, keywords.get("additionalProperties", True)), key in required, depth
            )
        for number in range(least - len(made)):
            made[f"key{number + 1}"] = self.make(keywords.get("additionalProperties", True), depth + 1)
        return made

    def _put(self, made: dict[str, object], key: str, schema: object, required: bool, depth: int) -> None:
        try:
            made[key] = self.make(schema, depth + 1)
        except UnsupportedSchema:
            if required or self._nodes > _NODES:
                raise


_MAKERS: Mapping[str, Callable[[_Maker, Keywords, int], object]] = {
    "null": _Maker.make_null,
    "boolean": _Maker.make_boolean,
    "integer": _Maker.make_integer,
    "number": _Maker.make_number,
    "string": _Maker.make_string,
    "array": _Maker.make_array,
    "object": _Maker.make_object,
}

_SIGNS = {
    "object": ("properties", "required", "additionalProperties", "minProperties", "patternProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "contains", "uniqueItems"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Keywords that tell the type where `type` does not."""


def _read(keywords: Keywords, name: str, default: float) -> float:
    value = keywords.get(name, default)
    if not is_number(value):
        raise UnsupportedSchema(f"`{name}` must be a number")
    number = float(cast("float", value))
    if not isfinite(number):
        raise UnsupportedSchema(f"`{name}` is beyond all measure")
    return number


def _bounds(keywords: Keywords, *, span: float) -> tuple[float, float]:
    lows = [_read(keywords, name, 0.0) for name in ("minimum", "exclusiveMinimum") if name in keywords]
    highs = [_read(keywords, name, 0.0) for name in ("maximum", "exclusiveMaximum") if name in keywords]
    low = max(lows) if lows else min(0.0, *highs) - (span if highs and min(highs) <= 0 else 0.0) if highs else 0.0
    high = min(highs) if highs else low + span
    if low > high:
        raise UnsupportedSchema("a number's lower bound is above its upper bound")
    return low, high


def _sizes(keywords: Keywords, least_name: str, most_name: str, *, usual: int) -> tuple[int, int]:
    least = int(_read(keywords, least_name, 0.0))
    most = int(_read(keywords, most_name, float(max(usual, least))))
    if not 0 <= least <= most:
        raise UnsupportedSchema(f"`{least_name}` and `{most_name}` leave no size")
    if least > _MAX_LENGTH:
        raise UnsupportedSchema(f"`{least_name}` is more than is made here")
    return least, most


def _merge(left: Keywords, right: Keywords) -> dict[str, object]:
    merged = dict(left)
    for keyword, value in right.items():
        merged[keyword] = _MERGERS.get(keyword, _latest)(merged[keyword], value) if keyword in merged else value
    return merged


def _latest(_left: object, right: object) -> object:
    return right


def _properties(left: object, right: object) -> object:
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return right
    both = {key: {"allOf": [left[key], right[key]]} for key in left if key in right}
    return {**left, **right, **both}


def _union(left: object, right: object) -> object:
    if not isinstance(left, list) or not isinstance(right, list):
        return right
    return [*left, *(item for item in right if item not in left)]


def _common(left: object, right: object) -> object:
    lefts = left if isinstance(left, list) else [left]
    rights = right if isinstance(right, list) else [right]
    kept = [item for item in lefts if any(same(item, other) for other in rights)]
    if not kept:
        raise UnsupportedSchema("`allOf` combines what excludes each other")
    return kept


def _both(left: object, right: object) -> object:
    return {"allOf": [left, right]}


def _greater(left: object, right: object) -> object:
    return max(cast("float", left), cast("float", right)) if is_number(left) and is_number(right) else right


def _lesser(left: object, right: object) -> object:
    return min(cast("float", left), cast("float", right)) if is_number(left) and is_number(right) else right


_MERGERS: dict[str, Callable[[object, object], object]] = {
    "properties": _properties,
    "required": _union,
    "allOf": _union,
    "type": _common,
    "enum": _common,
    "items": _both,
    "additionalProperties": _both,
    "minimum": _greater,
    "exclusiveMinimum": _greater,
    "minLength": _greater,
    "minItems": _greater,
    "minProperties": _greater,
    "maximum": _lesser,
    "exclusiveMaximum": _lesser,
    "maxLength": _lesser,
    "maxItems": _lesser,
    "maxProperties": _lesser,
}
"""How a keyword given twice by `allOf` is brought together; the others keep the latter."""
