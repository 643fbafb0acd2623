"""The commands geoseg and cellseg: their tables of commands. A module loads when its command runs or is asked for --help."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from segcli.console import hush_libraries
from segcli.lazy import LazyGroup

GEOSEG = {
    "demo": ("segcli.demo", "The whole chain on the bundled scene, in minutes."),
    "inspect": ("segcli.inspect", "Facts and problems of a raster, and what a scan of it will cost."),
    "chips": ("segcli.chips", "Cut chips around site points, and negatives elsewhere."),
    "train": ("segcli.train", "Train site / no-site classifiers on chips."),
    "outline": ("segcli.outline", "Outline the known sites: points become polygons."),
    "scan": ("segcli.scan", "Search a whole raster for sites and outline them."),
    "explain": ("segcli.explain", "Draw one place as several networks and methods see it."),
    "evaluate": ("segcli.evaluate", "Compare polygons with those an expert drew."),
    "compare": ("segcli.compare", "Compare models and activation maps by expert outlines."),
    "export": ("segcli.export", "Write sites as GeoJSON, GeoPackage, FlatGeobuf or Parquet."),
}
"""{command: (module, one-line help)}, in the order of the work."""

CELLSEG = {
    "simulate": ("segcli.cells.simulate", "Make fluorescence microscopy with exact labels."),
    "info": ("segcli.cells.info", "Counts, sizes and problems of a data set, and a contact sheet."),
    "import": ("segcli.cells.import_", "Turn annotations of other tools into a data set."),
    "perturb": ("segcli.cells.perturb", "Make labels worse, by known amounts."),
    "train": ("segcli.cells.train", "Train a network to find one class of cells."),
    "predict": ("segcli.cells.predict", "Find the cells of images of any size with a trained network."),
    "evaluate": ("segcli.cells.evaluate", "Compare labels with those of an expert."),
    "study": ("segcli.cells.study", "Measure what wrong labels cost, network by network."),
}
"""The same of cellseg."""

GROUPS: Mapping[str, LazyGroup] = MappingProxyType(
    {
        "geoseg": LazyGroup("geoseg", table=GEOSEG, help="Site outlines from a raster and a layer of site points."),
        "cellseg": LazyGroup("cellseg", table=CELLSEG, help="Masks of cells from few good and many poor annotations."),
    }
)


def geoseg() -> None:
    """Entry point of the command geoseg; ends the process."""
    hush_libraries()
    GROUPS["geoseg"].main(prog_name="geoseg")


def cellseg() -> None:
    """Entry point of the command cellseg; ends the process."""
    hush_libraries()
    GROUPS["cellseg"].main(prog_name="cellseg")
