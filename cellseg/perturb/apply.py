"""A perturbation applied to an image, or to plain arrays."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellseg.image import CELL, IGNORE, CellImage, Classes
from cellseg.perturb.draft import Draft
from cellseg.perturb.objects import present_ids
from cellseg.perturb.perturbation import Perturbation
from segcore.errors import ConfigError, ShapeError


def perturb(image: CellImage, perturbation: Perturbation, rng: np.random.Generator, *, known: Collection[str] | None = None) -> CellImage:
    """The image with worse labels; its pixels are shared, the labels are new, the image given stays as it is.

    Args:
        image: an image or a volume.
        perturbation: what to do.
        rng: where all chance comes from; the same state gives the same labels.
        known: class names of the whole data set, by default those of this image. Give them where an image may lack a class:
            a target outside of them is taken for a slip.

    Raises:
        ConfigError: the perturbation names an unknown class, goes beyond the size of the image, or needs pixels that are not there.
    """
    draft = _draft(image.name, image.instances.copy(), image.classes, image.pixels, known)
    _apply(draft, perturbation, rng)
    return image.with_labels(draft.instances.reshape(image.instances.shape), draft.classes_left())


def perturb_labels(
    instances: NDArray[Any],
    perturbation: Perturbation,
    rng: np.random.Generator,
    *,
    pixels: NDArray[Any] | None = None,
    classes: Classes | None = None,
    known: Collection[str] | None = None,
    ignore: int = IGNORE,
) -> tuple[NDArray[np.int32], dict[int, str]]:
    """perturb for plain arrays: (instances, classes) as new objects.

    Args:
        instances: (H, W) or (D, H, W), any integer type, 0 = background.
        perturbation: what to do.
        rng: where all chance comes from.
        pixels: (C, H, W) or (C, D, H, W), or the shape of instances; only Segments looks at them.
        classes: class of each object, {id: name}; objects left out are of class "cell".
        known: as in perturb.
        ignore: value of pixels that count neither way, such as 65535; it becomes -1.

    Returns:
        instances: the same shape, int32, 0 = background, -1 = ignore.
        classes: class of each object that is left.

    Raises:
        ShapeError: the arrays do not fit together, or instances are not whole numbers that int32 holds.
        ConfigError: as perturb.
    """
    labels = _labels(instances, ignore)
    if pixels is not None and labels.shape not in (pixels.shape, pixels.shape[1:]):
        raise ShapeError(
            f"pixels are (C, ...) over the shape of the labels; got {pixels.shape} and {labels.shape}. For one channel: [None]."
        )
    draft = _draft("the array", labels, classes or {}, pixels, known)
    _apply(draft, perturbation, rng)
    return draft.instances.reshape(instances.shape), draft.classes_left()


def _apply(draft: Draft, perturbation: Perturbation, rng: np.random.Generator) -> None:
    if not isinstance(rng, np.random.Generator):
        raise ConfigError(f"chance comes from a numpy Generator, got {type(rng).__name__}. Write np.random.default_rng(seed).")
    if not isinstance(perturbation, Perturbation) or isinstance(perturbation, type):
        raise ConfigError(f"a perturbation is an Omission(...), a Bias(...) or the like, got {perturbation!r}. Join several with Compose.")
    check_targets(perturbation, draft.known)
    perturbation.apply(draft, rng)


def check_targets(perturbation: Perturbation, known: Collection[str]) -> None:
    """Refuse a perturbation that names a class which is not known; where none is known, all pass.

    Raises:
        ConfigError: a target is unknown.
    """
    unknown = [target for target in perturbation.targets if target not in known]
    if known and unknown:
        raise ConfigError(
            f"the target is a class of the data, which are {', '.join(sorted(known))}; got {unknown[0]!r}. "
            "Choose one of them; where an image may lack a class, name all in known."
        )


def _draft(name: str, instances: NDArray[np.int32], classes: Classes, pixels: NDArray[Any] | None, known: Collection[str] | None) -> Draft:
    """A draft over instances, which it may write into."""
    shape = instances.shape if instances.ndim == 3 else (1, *instances.shape)
    labels = instances.reshape(shape)
    if known is None:
        known = {classes.get(own, CELL) for own in present_ids(labels).tolist()} | set(classes.values())
    planes = None if pixels is None else pixels.reshape(-1, *shape)
    top = max(int(labels.max(initial=0)), max(classes, default=0))
    return Draft(name=name, instances=labels, classes=dict(classes), pixels=planes, known=sorted(known), top=top)


def _labels(instances: NDArray[Any], ignore: int) -> NDArray[np.int32]:
    """A copy as int32, with -1 where the value is ignore."""
    if not np.issubdtype(instances.dtype, np.integer):
        raise ShapeError(f"labels are whole numbers, one per object, got {instances.dtype}. For a mask: skimage.measure.label(mask).")
    if instances.ndim not in (2, 3) or 0 in instances.shape:
        raise ShapeError(f"labels are (H, W) or (D, H, W) with at least one pixel, got {instances.shape}.")
    unknown = instances == ignore
    low, high = int(instances.min(where=~unknown, initial=0)), int(instances.max(where=~unknown, initial=0))
    if low < IGNORE or high > np.iinfo(np.int32).max:
        raise ShapeError(f"labels are {IGNORE} (unknown), 0 (background) or ids up to {np.iinfo(np.int32).max}, got {low} to {high}.")
    labels = instances.astype(np.int32)
    labels[unknown] = IGNORE
    return np.ascontiguousarray(labels)
