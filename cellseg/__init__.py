"""Masks of cells from few good and many poor annotations.

The names below are the front door; each loads when it is used. Everything else lives in the module that is named after it.

Out of scope: networks in three dimensions, generated training data, SAM-like prompts.
"""

# ruff: noqa: TC004  (type checkers read the imports below; at run time Front makes them, one by one)

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cellseg._front import Front

if TYPE_CHECKING:
    from cellseg.dataset import Dataset, open_dataset, write_dataset
    from cellseg.evaluate import evaluate, evaluate_datasets
    from cellseg.evaluate_scores import Scores
    from cellseg.facts import DatasetFacts
    from cellseg.formats.importing import import_dataset
    from cellseg.image import CELL, IGNORE, CellImage
    from cellseg.info import inspect_dataset as info
    from cellseg.perturb import (
        Bias,
        Compose,
        Inclusion,
        Merge,
        Omission,
        SaltPepper,
        Segments,
        Shift,
        perturb,
        perturb_dataset,
        perturb_labels,
    )
    from cellseg.predict import Segmenter, load_segmenter
    from cellseg.predictions import predict_dataset
    from cellseg.simulate import simulate, simulate_dataset
    from cellseg.training.segmenter import train_segmenter
    from cellseg.training.settings import SegmenterTraining

__all__ = [
    "CELL",
    "IGNORE",
    "Bias",
    "CellImage",
    "Compose",
    "Dataset",
    "DatasetFacts",
    "Inclusion",
    "Merge",
    "Omission",
    "SaltPepper",
    "Scores",
    "Segmenter",
    "SegmenterTraining",
    "Segments",
    "Shift",
    "evaluate",
    "evaluate_datasets",
    "import_dataset",
    "info",
    "load_segmenter",
    "open_dataset",
    "perturb",
    "perturb_dataset",
    "perturb_labels",
    "predict_dataset",
    "simulate",
    "simulate_dataset",
    "train_segmenter",
    "write_dataset",
]

sys.modules[__name__].__class__ = Front
