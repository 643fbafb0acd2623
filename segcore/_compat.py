"""Imports that need care: timm beside a torchvision whose compiled operators do not load, and lightning-fabric's two names.

The torchvision wheel of the package index is built for CUDA. Beside a CPU-only torch its compiled library does not
load, and `import torchvision`, hence `import timm`, stops with "operator torchvision::nms does not exist". Where that
happens, and only there, the missing operator schemas are declared through torch.library and the import is tried again.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_Library: Any = torch.library.Library  # untyped in torch
_libraries: list[Any] = []  # a declared operator lives as long as its Library object


def import_timm() -> ModuleType:
    """The timm package, also where torchvision's compiled operators cannot be loaded.

    Raises:
        ImportError: timm or torchvision is not installed.
    """
    _import_torchvision()
    return importlib.import_module("timm")


def import_fabric() -> ModuleType:
    """lightning-fabric: the package of that name, else the same code inside the larger package `lightning`.

    Raises:
        ImportError: neither is installed.
    """
    try:
        return importlib.import_module("lightning_fabric")
    except ModuleNotFoundError as error:
        if error.name != "lightning_fabric":
            raise
        return importlib.import_module("lightning.fabric")


def declare_missing_ops() -> list[str]:
    """Declare those torchvision operators that its import needs and torch does not know; return their names.

    nms also gets a plain PyTorch kernel for the CPU. Where the real operators are loaded nothing changes.
    """
    missing = [name for name in _SCHEMAS if not _op_exists(name)]
    if missing:
        library = _Library("torchvision", "FRAGMENT")
        for name in missing:
            library.define(_SCHEMAS[name])
        if "nms" in missing:
            library.impl("nms", nms, "CPU")
        _libraries.append(library)
    return missing


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Non-maximum suppression: drop each box that overlaps a better one by more than iou_threshold.

    boxes (N, 4) as x1, y1, x2, y2 and scores (N,) -> indices of the kept boxes, int64, best first.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    rest = scores.argsort(descending=True, stable=True)
    kept = []
    while rest.numel():
        best, rest = rest[0], rest[1:]
        kept.append(best)
        low = torch.maximum(boxes[best, :2], boxes[rest, :2])
        high = torch.minimum(boxes[best, 2:], boxes[rest, 2:])
        common = (high - low).clamp(min=0).prod(dim=1)
        rest = rest[common <= iou_threshold * (area[best] + area[rest] - common)]
    return torch.stack(kept) if kept else scores.new_empty(0, dtype=torch.int64)


def _import_torchvision() -> None:
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error) or not declare_missing_ops():
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]  # halves of the failed import
        importlib.import_module("torchvision")


def _op_exists(name: str) -> bool:
    return hasattr(torch.ops.torchvision, name)
