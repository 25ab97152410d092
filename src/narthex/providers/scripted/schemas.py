"""Does a value fit a JSON schema?

The keywords of JSON Schema 2020-12 that describe an answer, with those of draft 7 that are still met. References are
followed inside the schema only. Keywords that would need more (`unevaluatedProperties`, `$dynamicRef`) are refused
rather than passed over. `format` is taken as a remark, as the standard has it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isfinite
from typing import cast

Keywords = Mapping[str, object]


class UnsupportedSchema(ValueError):
    """A schema that no value can be made for here; the message says which part."""


_REFUSED = ("$dynamicRef", "unevaluatedProperties", "unevaluatedItems")

MAX_DEPTH = 48
"""Nesting at which a schema counts as endless."""


class Schema:
    """A schema document, and questions to it."""

    def __init__(self, root: object) -> None:
        self.root = root

    def resolve(self, schema: object) -> bool | Keywords:
        """Return `schema` with its reference replaced by what it points to, keywords beside the reference kept.

        Raises:
            UnsupportedSchema: No schema, a reference that leads nowhere or outside, or a keyword that is refused.
        """
        for _ in range(MAX_DEPTH):
            if isinstance(schema, bool):
                return schema
            if not isinstance(schema, Mapping):
                raise UnsupportedSchema(f"a schema must be an object or a boolean, not {type(schema).__name__}")
            refused = next((keyword for keyword in _REFUSED if keyword in schema), None)
            if refused is not None:
                raise UnsupportedSchema(f"the keyword {refused!r} is not supported")
            if "$ref" not in schema:
                return cast("Keywords", schema)
            schema = self._follow(cast("Keywords", schema))
        raise UnsupportedSchema("references lead in a circle")

    def _follow(self, schema: Keywords) -> object:
        target = self._target(schema["$ref"])
        beside = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
        if not beside or not isinstance(target, Mapping):
            return target
        clash = any(keyword in target for keyword in beside if keyword not in ("description", "title", "default"))
        return {**beside, "allOf": [target]} if clash and "allOf" not in beside else {**target, **beside}

    def _target(self, reference: object) -> object:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise UnsupportedSchema(f"only references inside the schema are followed, not {reference!r}")
        here = self.root
        for step in reference.split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            match here:
                case {**entries} if key in entries:
                    here = entries[key]
                case list() if key.isdecimal() and int(key) < len(here):
                    here = here[int(key)]
                case _:
                    raise UnsupportedSchema(f"{reference!r} leads nowhere")
        return here

    def fits(self, value: object, schema: object, depth: int = 0) -> bool:
        """Tell whether `value` is an instance of `schema`.

        Raises:
            UnsupportedSchema: The schema cannot be understood.
        """
        if depth > MAX_DEPTH:
            raise UnsupportedSchema("the schema nests too deeply")
        keywords = self.resolve(schema)
        if isinstance(keywords, bool):
            return keywords
        return all(
            _CHECKS[keyword](self, value, wanted, keywords, depth + 1)
            for keyword, wanted in keywords.items()
            if keyword in _CHECKS
        )


Check = Callable[[Schema, object, object, Keywords, int], bool]


def same(left: object, right: object) -> bool:
    """Tell whether two JSON values are equal: `true` is not `1`, `1` is `1.0`."""
    match left, right:
        case bool(), bool():
            return left is right
        case bool(), _:
            return False
        case _, bool():
            return False
        case list(), list():
            return len(left) == len(right) and all(map(same, left, right))
        case dict(), dict():
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        case _:
            return left == right


def is_number(value: object) -> bool:
    """Tell whether `value` is a JSON number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_TYPES: dict[object, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: is_number(value) and (isinstance(value, int) or cast("float", value).is_integer()),
    "number": is_number,
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def as_list(wanted: object) -> list[object]:
    """Return a keyword's value that must be a list.

    Raises:
        UnsupportedSchema: It is none.
    """
    if not isinstance(wanted, list):
        raise UnsupportedSchema(f"expected a list in the schema, not {wanted!r:.80}")
    return wanted


def as_mapping(wanted: object) -> Mapping[str, object]:
    """Return a keyword's value that must be an object.

    Raises:
        UnsupportedSchema: It is none.
    """
    if not isinstance(wanted, Mapping):
        raise UnsupportedSchema(f"expected an object in the schema, not {wanted!r:.80}")
    return wanted


def as_names(wanted: object) -> list[str]:
    """Return a keyword's value that must be a list of names.

    Raises:
        UnsupportedSchema: It is none.
    """
    names = as_list(wanted)
    if not all(isinstance(name, str) for name in names):
        raise UnsupportedSchema(f"expected a list of names in the schema, not {wanted!r:.80}")
    return cast("list[str]", names)


def _number(wanted: object) -> Fraction:
    if not is_number(wanted) or (isinstance(wanted, float) and not isfinite(wanted)):
        raise UnsupportedSchema(f"expected a number in the schema, not {wanted!r:.80}")
    return Fraction(str(wanted))


def _type(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
    names = wanted if isinstance(wanted, list) else [wanted]
    unknown = [name for name in names if not isinstance(name, str) or name not in _TYPES]
    if unknown:
        raise UnsupportedSchema(f"no type {unknown[0]!r:.80}")
    return any(_TYPES[name](value) for name in names)


def _enum(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
    return any(same(value, option) for option in as_list(wanted))


def _const(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
    return same(value, wanted)


def _all_of(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    return all(schema.fits(value, option, depth) for option in as_list(wanted))


def _any_of(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    return any(schema.fits(value, option, depth) for option in as_list(wanted))


def _one_of(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    return sum(schema.fits(value, option, depth) for option in as_list(wanted)) == 1


def _not(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    return not schema.fits(value, wanted, depth)


def _if(schema: Schema, value: object, wanted: object, keywords: Keywords, depth: int) -> bool:
    branch = "then" if schema.fits(value, wanted, depth) else "else"
    return schema.fits(value, keywords.get(branch, True), depth)


def _bound(fits: Callable[[Fraction, Fraction], bool]) -> Check:
    def check(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
        return not is_number(value) or fits(_number(value), _number(wanted))

    return check


def _size(kind: type[str | list[object] | dict[str, object]], fits: Callable[[int, Fraction], bool]) -> Check:
    def check(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
        return not isinstance(value, kind) or fits(len(value), _number(wanted))

    return check


def _multiple(value: Fraction, wanted: Fraction) -> bool:
    if wanted <= 0:
        raise UnsupportedSchema("`multipleOf` must be above zero")
    return value % wanted == 0


def pattern(wanted: object) -> re.Pattern[str]:
    """Return the compiled regular expression of a schema.

    Raises:
        UnsupportedSchema: Python's `re` cannot read it.
    """
    if not isinstance(wanted, str):
        raise UnsupportedSchema(f"a pattern must be a string, not {wanted!r:.80}")
    try:
        with warnings.catch_warnings():
            # `re` warns of classes such as `[[]`, which mean in a schema what they mean to it today.
            warnings.simplefilter("ignore", FutureWarning)
            return re.compile(wanted)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnsupportedSchema(f"the pattern {wanted!r:.80} cannot be read: {error}") from error


def _pattern(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
    return not isinstance(value, str) or pattern(wanted).search(value) is not None


def _prefix_items(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    return all(schema.fits(item, option, depth) for item, option in zip(value, as_list(wanted), strict=False))


def _items(schema: Schema, value: object, wanted: object, keywords: Keywords, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    if isinstance(wanted, list):  # draft 7: what 2020-12 calls `prefixItems`
        return _prefix_items(schema, value, wanted, keywords, depth)
    rest = value[len(as_list(keywords.get("prefixItems", []))) :]
    return all(schema.fits(item, wanted, depth) for item in rest)


def _unique(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
    if not isinstance(value, list) or not wanted:
        return True
    return not any(same(item, other) for place, item in enumerate(value) for other in value[:place])


def _contains(schema: Schema, value: object, wanted: object, keywords: Keywords, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    found = sum(schema.fits(item, wanted, depth) for item in value)
    most = keywords.get("maxContains", found)
    return _number(keywords.get("minContains", 1)) <= found <= _number(most)


def _properties(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    return all(schema.fits(value[key], option, depth) for key, option in as_mapping(wanted).items() if key in value)


def _pattern_properties(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    options = [(pattern(source), option) for source, option in as_mapping(wanted).items()]
    return all(
        schema.fits(item, option, depth)
        for key, item in value.items()
        for matcher, option in options
        if matcher.search(key)
    )


def _additional(schema: Schema, value: object, wanted: object, keywords: Keywords, depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    known = as_mapping(keywords.get("properties", {}))
    matchers = [pattern(source) for source in as_mapping(keywords.get("patternProperties", {}))]
    return all(
        schema.fits(item, wanted, depth)
        for key, item in value.items()
        if key not in known and not any(matcher.search(key) for matcher in matchers)
    )


def _property_names(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    return not isinstance(value, dict) or all(schema.fits(key, wanted, depth) for key in value)


def _required(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
    return not isinstance(value, dict) or all(key in value for key in as_names(wanted))


def _dependent_required(_schema: Schema, value: object, wanted: object, _keywords: Keywords, _depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    return all(
        other in value for key, others in as_mapping(wanted).items() if key in value for other in as_list(others)
    )


def _dependent_schemas(schema: Schema, value: object, wanted: object, _keywords: Keywords, depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    return all(schema.fits(value, option, depth) for key, option in as_mapping(wanted).items() if key in value)


_CHECKS: dict[str, Check] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "minimum": _bound(lambda value, wanted: value >= wanted),
    "maximum": _bound(lambda value, wanted: value <= wanted),
    "exclusiveMinimum": _bound(lambda value, wanted: value > wanted),
    "exclusiveMaximum": _bound(lambda value, wanted: value < wanted),
    "multipleOf": _bound(_multiple),
    "minLength": _size(str, lambda size, wanted: size >= wanted),
    "maxLength": _size(str, lambda size, wanted: size <= wanted),
    "pattern": _pattern,
    "prefixItems": _prefix_items,
    "items": _items,
    "minItems": _size(list, lambda size, wanted: size >= wanted),
    "maxItems": _size(list, lambda size, wanted: size <= wanted),
    "uniqueItems": _unique,
    "contains": _contains,
    "properties": _properties,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "required": _required,
    "minProperties": _size(dict, lambda size, wanted: size >= wanted),
    "maxProperties": _size(dict, lambda size, wanted: size <= wanted),
    "dependentRequired": _dependent_required,
    "dependentSchemas": _dependent_schemas,
}

KEYWORDS = tuple(_CHECKS)
"""The keywords that are understood; others are taken as remarks."""
