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
from typing import Any, TypeVar

Recipe = TypeVar("Recipe")


def parse_recipe(recipe: type[Recipe], description: str | None, argv: Sequence[str] | None = None) -> Recipe:
    """Return the recipe that a command line asks for.

    Args:
        recipe: a dataclass whose fields are str, int, float or Path, one of them or None, or a tuple of one.
        description: what ``--help`` says first.
        argv: the arguments; the process's own by default.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    hints = typing.get_type_hints(recipe, include_extras=True)
    for field in dataclasses.fields(typing.cast(Any, recipe)):
        kind, several, text = read_hint(hints[field.name])
        required = field.default is dataclasses.MISSING
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=field.name,
            type=kind,
            nargs="+" if several else None,
            default=None if required else field.default,
            required=required,
            help=text,
        )
    given = vars(parser.parse_args(argv))
    return recipe(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


def read_hint(hint: Any) -> tuple[type, bool, str]:
    """Return the type of one value, whether the option takes several, and its help.

    ``Annotated[tuple[Path, ...], "folders"]`` gives ``(Path, True, "folders")``.

    Raises:
        TypeError: a type that no option can have.
    """
    text = ""
    if typing.get_origin(hint) is typing.Annotated:
        hint, text = typing.get_args(hint)
    several = typing.get_origin(hint) is tuple
    if several:
        hint = typing.get_args(hint)[0]
    elif isinstance(hint, types.UnionType):
        (hint,) = (kind for kind in typing.get_args(hint) if kind is not type(None))
    if hint not in (str, int, float, Path):
        raise TypeError(f"a recipe's option cannot be {hint}")
    return hint, several, text
