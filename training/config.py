"""Recipes as dataclasses: each field of a recipe is an option of its command line.

A field's help is annotated to its type, ``lr: Annotated[float, "peak learning rate"] = 1e-3``; its default is the
option's, and a field without one must be given. ``batch_size`` becomes ``--batch-size``; a tuple takes several values.
"""

from __future__ import annotations

import argparse
import dataclasses
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Recipe = TypeVar("Recipe")


def parse_recipe(recipe: type[Recipe], description: str | None, argv: Sequence[str] | None = None) -> Recipe:
    """Return the recipe that a command line asks for.

    Args:
        recipe: a dataclass whose fields are str, int, float, Path or a Literal of strings, one of them or None, or a
            tuple of one.
        description: what ``--help`` says first.
        argv: the arguments; the process's own by default.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    hints = typing.get_type_hints(recipe, include_extras=True)
    for field in dataclasses.fields(typing.cast(Any, recipe)):
        hint = read_hint(hints[field.name])
        required = field.default is dataclasses.MISSING
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            type=hint.kind,
            choices=hint.choices,
            nargs="+" if hint.several else None,
            default=None if required else field.default,
            required=required,
            help=hint.text,
        )
    given = vars(parser.parse_args(argv))
    return recipe(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


class OptionHint(NamedTuple):
    """What a field's type says of its option."""

    kind: type
    several: bool = False
    """Whether the option takes several values."""
    text: str = ""
    choices: tuple[str, ...] | None = None


def read_hint(hint: Any) -> OptionHint:
    """Return what a field's type says: ``Annotated[tuple[Path, ...], "folders"]`` takes several paths.

    Raises TypeError for a type that no option can have.
    """
    text = ""
    if typing.get_origin(hint) is typing.Annotated:
        hint, text = typing.get_args(hint)
    several = typing.get_origin(hint) is tuple
    if several:
        hint = typing.get_args(hint)[0]
    elif isinstance(hint, types.UnionType):
        (hint,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
    if typing.get_origin(hint) is typing.Literal:
        return OptionHint(str, several, text, typing.get_args(hint))
    if hint not in (str, int, float, Path):
        raise TypeError(f"a recipe's option cannot be {hint}")
    return OptionHint(hint, several, text)
