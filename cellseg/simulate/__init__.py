"""Fluorescence microscopy of nuclei, made from seeds: pixels with exact instances and classes.

`simulate` makes a volume, `simulate_dataset` a folder of them, `montage` a picture. The nuclei are like those of HL60 cells
(large, round) and granulocytes (small, lobed); the microscope blurs, shades and adds noise (`Optics`).

Out of scope: cytoplasm, moving cells, the optics of a real microscope.
"""

from cellseg.simulate.census import STATED, Census, Stated, census
from cellseg.simulate.collection import simulate_dataset
from cellseg.simulate.montage import montage
from cellseg.simulate.optics import Optics
from cellseg.simulate.population import KINDS
from cellseg.simulate.threshold import GreyCounts, Threshold, count_greys
from cellseg.simulate.volume import SHAPE, Specimen, simulate, simulate_slices

__all__ = [
    "KINDS",
    "SHAPE",
    "STATED",
    "Census",
    "GreyCounts",
    "Optics",
    "Specimen",
    "Stated",
    "Threshold",
    "census",
    "count_greys",
    "montage",
    "simulate",
    "simulate_dataset",
    "simulate_slices",
]
