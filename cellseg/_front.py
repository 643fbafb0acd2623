"""The package as a module whose public names load when they are used.

Some functions share their name with the module they live in (`cellseg.evaluate` is the function; `from cellseg.evaluate
import Scores` reads the module). Python would put the module in the function's place as soon as anyone imports it, so the
package is a module of a kind of its own that keeps the function there.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType, ModuleType
from typing import Any

PUBLIC: Mapping[str, str] = MappingProxyType(
    {
        "CELL": "cellseg.image",
        "IGNORE": "cellseg.image",
        "CellImage": "cellseg.image",
        "Dataset": "cellseg.dataset",
        "DatasetFacts": "cellseg.facts",
        "open_dataset": "cellseg.dataset",
        "write_dataset": "cellseg.dataset",
        "import_dataset": "cellseg.formats.importing",
        "info": "cellseg.info:inspect_dataset",
        "simulate": "cellseg.simulate",
        "simulate_dataset": "cellseg.simulate",
        "perturb": "cellseg.perturb",
        "perturb_labels": "cellseg.perturb",
        "perturb_dataset": "cellseg.perturb",
        "Omission": "cellseg.perturb",
        "Inclusion": "cellseg.perturb",
        "Bias": "cellseg.perturb",
        "Segments": "cellseg.perturb",
        "SaltPepper": "cellseg.perturb",
        "Shift": "cellseg.perturb",
        "Merge": "cellseg.perturb",
        "Compose": "cellseg.perturb",
        "SegmenterTraining": "cellseg.training.settings",
        "train_segmenter": "cellseg.training.segmenter",
        "Segmenter": "cellseg.predict",
        "load_segmenter": "cellseg.predict",
        "predict_dataset": "cellseg.predictions",
        "evaluate": "cellseg.evaluate",
        "evaluate_datasets": "cellseg.evaluate",
        "Scores": "cellseg.evaluate_scores",
    }
)
"""{public name: module that it comes from, and its name there where that is another}."""


class Front(ModuleType):
    """The package cellseg."""

    def __getattr__(self, name: str) -> Any:
        """Import a public name at its first use."""
        if name not in PUBLIC:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        module, _, there = PUBLIC[name].partition(":")
        value = getattr(import_module(module), there or name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        """Whatever is set, but a module never takes the place of a public name."""
        if not (name in PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        """The public names too, loaded or not."""
        return sorted({*super().__dir__(), *PUBLIC})
