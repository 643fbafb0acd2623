"""Which activation map of which model stands in which column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from geoseg.model import SiteModel
from geoseg.views import View
from segcore.cam.choice import MapChoice
from segcore.cam.names import CAM_NAMES, DEAR
from segcore.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Column:
    """One kind of map over all models."""

    title: str
    """method@layer where the layer is the same in all models, else the method with a number where there are several."""
    choices: tuple[MapChoice | None, ...]
    """One for each model; None where a model lacks the map."""


def columns_of(views: Sequence[View], methods: Sequence[str] | None, say: Callable[[str], None]) -> list[Column]:
    """The methods asked for in their order, or all maps that the models have.

    methods: names, for which a model takes the layer it was tuned with (else its first one), or keys (`layer-cam@layer2`).
    Without them maps of the same key share a column. The names of layers differ from network to network: models that share
    no key of a method, fused in the same way, have their first maps side by side, their second ones, and so on.
    say: hears of every model that lacks a map that was asked for.

    Raises:
        ConfigError: a method is unknown, or calibrated in no model.
    """
    return _all(views) if methods is None else _asked(views, methods, say)


def notes_of(views: Sequence[View], columns: Sequence[Column]) -> list[str]:
    """What a user should know of the maps, each line once."""
    shown = [(view.model, choice) for column in columns for view, choice in zip(views, column.choices, strict=True) if choice]
    return list(dict.fromkeys(note for model, choice in shown if (note := model.note(choice))))


def _asked(views: Sequence[View], methods: Sequence[str], say: Callable[[str], None]) -> list[Column]:
    for method in methods:
        if method.partition("@")[0] not in CAM_NAMES:
            raise ConfigError(f"a map is one of {', '.join(CAM_NAMES)}, with @LAYER where wanted; got {method!r}.")
    table = {method: tuple(_chosen(view.model, method) for view in views) for method in methods}
    for method, choices in table.items():
        if not any(choices):
            raise _nowhere(method, views)
    for number, view in enumerate(views):
        lacking = [method for method, choices in table.items() if choices[number] is None]
        if lacking:
            say(f"{view.name} has no calibrated {', '.join(lacking)}; left empty")
    return list(dict.fromkeys(Column(_title(method, choices), choices) for method, choices in table.items()))


def _chosen(model: SiteModel, method: str) -> MapChoice | None:
    try:
        return model.choose(method, model.outline.choice)
    except ConfigError:
        return None


def _nowhere(method: str, views: Sequence[View]) -> ConfigError:
    name = method.partition("@")[0]
    known = ", ".join(dict.fromkeys(str(choice) for view in views for choice in view.model.choices))
    more = f", or train with --calibrate {name}" if name in DEAR else ""
    return ConfigError(
        f"a map must be calibrated; {method} is in none of {', '.join(view.name for view in views)}. Choose among {known}{more}."
    )


def _all(views: Sequence[View]) -> list[Column]:
    kinds = sorted({_kind(choice) for view in views for choice in view.model.choices})
    groups = {kind: _aligned([[own for own in view.model.choices if _kind(own) == kind] for view in views]) for kind in kinds}
    rows = [(CAM_NAMES[kind[0]], choices) for kind, group in groups.items() for choices in group]
    total, counted = Counter(method for method, _ in rows), Counter[str]()
    columns = []
    for method, choices in rows:
        counted[method] += 1
        name = method if total[method] == 1 else f"{method} {counted[method]}"
        columns.append(Column(_title(name, choices), choices))
    return columns


def _kind(choice: MapChoice) -> tuple[int, int, str]:
    """What two maps must have in common to share a column."""
    return CAM_NAMES.index(choice.method), len(choice.layers), choice.fuse


def _aligned(models: Sequence[Sequence[MapChoice]]) -> list[tuple[MapChoice | None, ...]]:
    """Columns of the maps of each model: models that share keys are a family and align by key, families align by number."""
    families: list[list[MapChoice]] = []
    for own in models:
        akin = [family for family in families if not set(family).isdisjoint(own)]
        families = [*(family for family in families if family not in akin), _merged([own, *akin])]
    number = {choice: i for family in families for i, choice in enumerate(family)}
    columns = range(max(number.values()) + 1)
    return [tuple(next((choice for choice in own if number[choice] == i), None) for own in models) for i in columns]


def _merged(lists: Sequence[Sequence[MapChoice]]) -> list[MapChoice]:
    """Every map once; what is new stands right behind the one that it follows in its own list, or first."""
    merged: list[MapChoice] = []
    for own in lists:
        at = 0
        for choice in own:
            if choice in merged:
                at = merged.index(choice)
            else:
                merged.insert(at, choice)
            at += 1
    return merged


def _title(otherwise: str, choices: Sequence[MapChoice | None]) -> str:
    """The key where all models that have the map share it."""
    keys = {str(choice) for choice in choices if choice}
    return keys.pop() if len(keys) == 1 else otherwise
