"""Which names the settings model has where, as a plain tree: what unknown keys, environment variables and origins are looked up in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from messages.config import Settings


@dataclass(frozen=True, slots=True)
class Shape:
    """What may stand at a place: named settings (`fields`), freely named values (`values`), a list (`items`), or else one scalar."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    values: Shape | None = None
    items: Shape | None = None
    secret: bool = False

    @property
    def is_scalar(self) -> bool:
        """One value, with nothing below it."""
        return not (self.fields or self.values or self.items)

    def below(self, key: str | int) -> Shape:
        """The shape one step down; that of a scalar where there is none."""
        inner = self.items if isinstance(key, int) else self.fields.get(key, self.values)
        return inner or Shape()


def shape_of(annotation: Any) -> Shape:
    """The shape of a type: a model, a dict, a tuple of one type, one of these or None, or anything else as a scalar."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return Shape(fields={name: shape_of(info.annotation) for name, info in annotation.model_fields.items() if not _read_only(info)})
    args = get_args(annotation)
    match get_origin(annotation):
        case origin if origin in (Annotated, Union, UnionType):
            return shape_of(next(arg for arg in args if arg is not type(None)))
        case origin if origin is dict:
            return Shape(values=shape_of(args[1]))
        case origin if origin is tuple:
            return Shape(items=shape_of(args[0]))
    return Shape(secret=annotation is SecretStr)


def _read_only(info: FieldInfo) -> bool:
    return isinstance(info.json_schema_extra, dict) and info.json_schema_extra.get("readOnly") is True


SETTINGS = shape_of(Settings)
"""The shape of the whole file."""
