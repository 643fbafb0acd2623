"""Sites that an expert has outlined, as a comparison of models uses them: which count, in which half, and who learnt from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import geopandas
import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.evaluate import Geometries, experts_by_place, polygons_in, under_ignore
from geoseg.folds import unseen_by
from geoseg.known import Place
from geoseg.trained import trained_at
from geoseg.tuning_sites import LEAST
from geoseg.vectors import rasterise
from geoseg.views import View
from segcore.errors import InputError
from segcore.windows import Window

OUTSIDE, IGNORED, NODATA, TWIN = (
    "not wholly inside the raster and the area",
    "more than half under ignore",
    "known point, or more than half of the site, on nodata",
    "known point on the pixel of another site",
)
"""Why a site is left out of a comparison; `every network of NAME learnt from it` is the fifth reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSites:
    """The sites that every model of a comparison is judged on."""

    polygons: Geometries
    """(N,): expert outlines; one of several parts is one site."""
    xy: NDArray[np.float64]
    """(N, 2): the known point of each, map coordinates."""
    others: NDArray[np.float64]
    """(K, 2): the known points of all outlines of the file, these among them; neighbours share the ground by nearness."""
    half: NDArray[np.int64]
    """(N,): 0 or 1; each half is judged with settings that the other chose."""
    rule: str
    """How the halves are made, in words."""
    fresh: Sequence[Sequence[tuple[int, ...]]]
    """For each model and site the members, counted from 0, that did not learn from it; never none."""
    unseen: int
    """Sites that no member of any model learnt from."""
    left_out: Mapping[str, int]
    """Reason -> how many outlines of the file are not judged."""

    def __len__(self) -> int:
        return len(self.polygons)

    @property
    def enough(self) -> bool:
        """Whether settings can be chosen on one half; else each model's own are used."""
        return len(self) >= LEAST


def judged_sites(views: Sequence[View], experts: geopandas.GeoDataFrame, ignore: geopandas.GeoDataFrame | None) -> JudgedSites:
    """The expert outlines that every model can be judged on, and why the others are not.

    The known point of a site is the centroid of its outline, or where that lies outside, a point on its surface.

    Raises:
        InputError: no outline is left.
        BundleError: a model does not say where it was trained.
    """
    crs = views[0].scene.grid.crs
    polygons = polygons_in(experts, crs)
    xy = known_points(polygons)
    reasons = _reasons(views, polygons, xy, polygons_in(ignore, crs))
    fresh = [fresh_members(view, polygons, xy) for view in views]
    for view, own in zip(views, fresh, strict=True):
        _strike(reasons, np.array([not members for members in own]), f"every network of {view.name} learnt from it")
    kept = np.flatnonzero(reasons == "")
    left_out = {str(reason): int((reasons == reason).sum()) for reason in dict.fromkeys(reasons) if reason}
    if not len(kept):
        why = "; ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise InputError(f"a comparison needs expert outlines that all models can be judged on; none of {len(polygons)} is left ({why}).")
    half, rule = halves(xy[kept])
    everyone = [tuple(range(len(view.model.networks))) for view in views]
    return JudgedSites(
        polygons=polygons[kept],
        xy=xy[kept],
        others=xy,
        half=half,
        rule=rule,
        fresh=[[own[i] for i in kept] for own in fresh],
        unseen=sum(all(own[i] == members for own, members in zip(fresh, everyone, strict=True)) for i in kept),
        left_out=left_out,
    )


def known_points(polygons: Geometries) -> NDArray[np.float64]:
    """A point (N, 2) in each polygon: the centroid where it lies inside, else one on the surface."""
    centres = shapely.centroid(polygons)
    points = np.where(shapely.contains(polygons, centres), centres, shapely.point_on_surface(polygons))
    return np.asarray(shapely.get_coordinates(points), dtype=np.float64)


def halves(xy: NDArray[np.float64]) -> tuple[NDArray[np.int64], str]:
    """Half 0 or 1 of each known point (N, 2), and the rule in words: two sides of a line across the longer extent."""
    axis = int(np.argmax(np.ptp(xy, axis=0)))
    order = np.lexsort((xy[:, 1 - axis], xy[:, axis]))
    half = np.empty(len(xy), dtype=np.int64)
    half[order] = np.arange(len(xy)) >= len(xy) // 2
    names = ("western", "eastern") if axis == 0 else ("southern", "northern")
    return half, f"the {names[0]} and the {names[1]} half of the sites"


def fresh_members(view: View, polygons: Geometries, xy: NDArray[np.float64]) -> list[tuple[int, ...]]:
    """For each site the members of the model that did not learn from it, by the places of the training sites on the map.

    A member never learnt from its own fold; where the folds are spatial, nor from ground near that. So a site that the
    model was trained on is unseen by the members of its fold, and a site within a window of training sites is unseen by
    members whose fold holds all of these. The map decides, not the file: a crop of the training raster is the same ground.

    Raises:
        BundleError: the model does not say where it was trained.
    """
    everyone = range(len(view.model.networks))
    trained = trained_at(view.model.facts, view.scene.grid.crs, view.name)
    if not len(trained.xy):
        return [tuple(everyone)] * len(polygons)
    own = experts_by_place(shapely.points(trained.xy), polygons)
    reach = view.model.window * np.sqrt(abs(view.scene.grid.transform.determinant))
    spatial = view.model.facts["split"]["kind"] == "spatial"
    found = []
    for i, point in enumerate(xy):
        at, near = own == i, np.abs(trained.xy - point).max(axis=1) <= reach
        seen = set(trained.folds[at if spatial and at.any() else at | near].tolist())
        unseen = [set(unseen_by(fold, len(everyone))) for fold in seen]
        found.append(tuple(sorted(set(everyone).intersection(*unseen))))
    return found


def _reasons(views: Sequence[View], polygons: Geometries, xy: NDArray[np.float64], ignored: Geometries) -> NDArray[np.object_]:
    """Why each site is left out, "" where it is not; what one model cannot be judged on is left out for all."""
    reasons = np.full(len(polygons), "", dtype=object)
    for view in views:
        inside = shapely.box(*view.scene.grid.bounds)
        if view.scene.area:
            inside = inside.intersection(view.scene.area.geometry)
        shapely.prepare(inside)
        _strike(reasons, ~shapely.covers(inside, polygons), OUTSIDE)
    _strike(reasons, under_ignore(polygons, ignored), IGNORED)
    for view in views:
        places = view.places(xy)
        left = [i for i in range(len(polygons)) if reasons[i] == ""]
        bare = {i for i in left if _bare(view, polygons[i], places[i])}
        _strike(reasons, np.isin(np.arange(len(polygons)), list(bare)), NODATA)
        first = {places[i]: i for i in reversed(left) if i not in bare}
        _strike(reasons, np.array([first.get(place, i) < i for i, place in enumerate(places)]), TWIN)
    return reasons


def _strike(reasons: NDArray[np.object_], struck: NDArray[np.bool_], reason: str) -> None:
    reasons[struck & (reasons == "")] = reason


def _bare(view: View, polygon: shapely.Geometry, place: Place) -> bool:
    """Whether a site has no data at its known point or on more than half of it."""
    if not view.image.mask(Window(*place, 1, 1))[0, 0]:
        return True
    window = view.scene.grid.window_of_bounds(polygon.bounds)
    assert window is not None  # its point lies on the raster
    site = rasterise([polygon], view.scene.grid, window)
    return bool(2 * (site & ~view.image.mask(window)).sum() > site.sum())
