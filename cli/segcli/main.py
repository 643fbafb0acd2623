"""The command geoseg: its table of commands. A module loads when its command runs or is asked for --help."""

from __future__ import annotations

from segcli.console import hush_libraries
from segcli.lazy import LazyGroup

GEOSEG = {
    "demo": ("segcli.demo", "The whole chain on the bundled scene, in minutes."),
    "inspect": ("segcli.inspect", "Facts and problems of a raster, and what a scan of it will cost."),
    "chips": ("segcli.chips", "Cut chips around site points, and negatives elsewhere."),
    "train": ("segcli.train", "Train site / no-site classifiers on chips."),
    "outline": ("segcli.outline", "Outline the known sites: points become polygons."),
    "scan": ("segcli.scan", "Search a whole raster for sites and outline them."),
    "evaluate": ("segcli.evaluate", "Compare polygons with those an expert drew."),
    "export": ("segcli.export", "Write sites as GeoJSON, GeoPackage, FlatGeobuf or Parquet."),
}
"""{command: (module, one-line help)}, in the order of the work."""

geoseg_group = LazyGroup("geoseg", table=GEOSEG, help="Site outlines from a raster and a layer of site points.")


def geoseg() -> None:
    """Entry point of the command geoseg; ends the process."""
    hush_libraries()
    geoseg_group.main(prog_name="geoseg")
