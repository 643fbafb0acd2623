"""Annotations made worse on purpose, by known amounts: how wrong labels may be before a network suffers, and how to repair them.

`perturb` takes an image, one of the perturbations below and a numpy Generator, and returns a new image; `perturb_labels`
does the same to plain arrays, `perturb_dataset` to a folder. The annotation of a target class is the set of its objects:

- `Omission`: objects are missing. `Inclusion`: objects of other classes pass for the target. `Bias`: outlines too wide or too tight.
- `Segments`: parts of the image that are no cells pass for cells. `SaltPepper`: noise. `Shift`: cells beside their place.
  `Merge`: touching cells drawn as one. `Compose`: one after the other.

Rates are exact to half an object, objects keep their ids, pixels of the ignore label never change. The worst annotation of
Vădineanu's thesis (section 3.3.4) is

    Compose([
        Omission(0.5, target="hl60"),
        Segments(0.1, target="hl60"),
        SaltPepper(0.1, target="hl60"),
        Bias(6, unit="image", target="hl60"),
    ])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellseg.perturb.apply import perturb, perturb_labels
    from cellseg.perturb.bias import Bias
    from cellseg.perturb.compose import Compose
    from cellseg.perturb.folder import perturb_dataset
    from cellseg.perturb.inclusion import Inclusion
    from cellseg.perturb.merge import Merge
    from cellseg.perturb.omission import Omission
    from cellseg.perturb.saltpepper import SaltPepper
    from cellseg.perturb.seeds import image_rng
    from cellseg.perturb.segments import Segments
    from cellseg.perturb.shift import Shift

__all__ = [
    "Bias",
    "Compose",
    "Inclusion",
    "Merge",
    "Omission",
    "SaltPepper",
    "Segments",
    "Shift",
    "image_rng",
    "perturb",
    "perturb_dataset",
    "perturb_labels",
]

_HOMES = {
    "Bias": "bias",
    "Compose": "compose",
    "Inclusion": "inclusion",
    "Merge": "merge",
    "Omission": "omission",
    "SaltPepper": "saltpepper",
    "Segments": "segments",
    "Shift": "shift",
    "image_rng": "seeds",
    "perturb": "apply",
    "perturb_dataset": "folder",
    "perturb_labels": "apply",
}


def __getattr__(name: str) -> Any:
    """Each name is imported when it is asked for."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
