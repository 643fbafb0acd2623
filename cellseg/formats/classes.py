"""Names of classes: what the source calls them, and what the dataset will."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segcore.errors import InputError
from segcore.files import read_json

LONGEST = 100
"""Characters of a class name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassNames:
    """Class of each key (number or name) of the source."""

    names: Mapping[str, str]
    given: bool
    """Whether the user said them."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, each once, in the order of their keys."""
        return tuple(dict.fromkeys(self.names.values()))

    def of(self, key: str, where: str) -> str:
        """The class that a key stands for.

        Raises:
            InputError: none does.
        """
        if key in self.names:
            return self.names[key]
        table = "the table of --classes" if self.given else "this format"
        raise InputError(f"each class of the source needs a name; {where} has class {key!r:.60}, {table} knows {self._known}. Add it.")

    @property
    def _known(self) -> str:
        return f"{', '.join(self.names):.200}"


def class_names(given: Mapping[str, str] | None, default: Mapping[str, str]) -> ClassNames:
    """The names that the user gave, else the format's own."""
    return ClassNames(names=default if given is None else given, given=given is not None)


def names_of_keys(given: Mapping[str, str] | None, keys: Iterable[str], where: str) -> ClassNames:
    """The names of the keys that a source uses: as given; else class_3 for a number, and a name for itself.

    Raises:
        InputError: a key is not in the given table, or is no class name.
    """
    found = sorted(set(keys), key=lambda key: (not key.isdecimal(), len(key) if key.isdecimal() else 0, key))
    if given is None:
        return ClassNames(names={key: require_class(f"class_{key}" if key.isdecimal() else key, where) for key in found}, given=False)
    names = ClassNames(names=given, given=True)
    for key in found:
        names.of(key, where)
    return names


def require_class(name: str, where: str) -> str:
    """The name, if it can stand for a class.

    Raises:
        InputError: it is empty, long, or holds signs that cannot be printed.
    """
    if not name.strip() or len(name) > LONGEST or not name.isprintable():
        raise InputError(f"a class name has 1 to {LONGEST} printable characters; {where} has {name!r:.120}. Rename it with --classes.")
    return name


def read_class_table(path: Path) -> dict[str, str]:
    """Read {"1": "epithelial", ...}: class number or name in the source -> class in the dataset.

    Raises:
        InputError: the file is missing, not JSON, or not such a table.
    """
    table = read_json(path)
    if not table or not all(isinstance(name, str) for name in table.values()):
        raise InputError(f'a table of classes is a JSON object like {{"1": "epithelial", "2": "stroma"}}; {path} is not. Write it so.')
    return {key.strip(): require_class(name, str(path)) for key, name in table.items()}
