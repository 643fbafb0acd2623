"""Where a model was trained: the ground of its training sites on the map, whatever raster shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy.spatial import cKDTree

from geoseg.grid import crs_name
from segcore.errors import BundleError


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The training sites of a model."""

    xy: NDArray[np.float64]
    """Map coordinates (K, 2)."""
    folds: NDArray[np.int64]
    """(K,): the fold that each was judged in."""

    def folds_at(self, xy: NDArray[np.float64], *, reach: float) -> list[int | None]:
        """Fold of the training site nearest to each point (N, 2), where one lies within reach, in map units; else None."""
        if not len(self.xy) or not len(xy):
            return [None] * len(xy)
        distance, nearest = cKDTree(self.xy).query(xy)
        return [int(self.folds[j]) if d <= reach else None for d, j in zip(distance, nearest, strict=True)]


def trained_at(facts: Mapping[str, Any], crs: CRS, name: str) -> Trained:
    """The training sites of a model's facts in a CRS; those that it cannot show are left out. A crop of the raster is the same ground.

    Raises:
        BundleError: the model does not say where it was trained; name is how it is called there.
    """
    try:
        sites, trained = facts["sites"], facts["stretch"]["fingerprint"]
        pixels = np.array([(own["col"] + 0.5, own["row"] + 0.5) for own in sites], dtype=np.float64).reshape(-1, 2)
        folds = np.array([int(own["fold"]) for own in sites], dtype=np.int64)
        a, b, c, d, e, f = Affine(*map(float, trained["transform"].split(",")))[:6]
        xy = pixels @ np.array([[a, d], [b, e]]) + (c, f)
        if trained["crs"] != crs_name(crs):
            here = pyproj.CRS.from_wkt(crs.to_wkt())
            xy = np.column_stack(pyproj.Transformer.from_crs(trained["crs"], here, always_xy=True).transform(*xy.T))
    except (KeyError, TypeError, ValueError, AttributeError, pyproj.exceptions.ProjError) as error:
        why = " ".join(str(error).split())[:200]
        raise BundleError(f"a model says where it was trained; {name} does not in a way that can be read ({why}).") from error
    there = np.isfinite(xy).all(axis=1)
    return Trained(xy=xy[there], folds=folds[there])
