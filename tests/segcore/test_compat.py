"""Importing timm beside a torchvision without compiled operators, and the stand-in for nms."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from segcore import _compat

BOXES = torch.tensor([[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30], [0, 0, 10, 5]])
SCORES = torch.tensor([0.8, 0.9, 0.3, 0.7])
"""Boxes 0 and 1 share 90 of 110 px², box 3 is half of box 0 and shares 45 of 105 px² with box 1."""


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_timm_is_imported_and_builds_a_network() -> None:
    code = "from segcore._compat import import_timm; print(import_timm().create_model('resnet18', num_classes=2).num_classes)"
    assert run_python(code) == "2"


def test_operators_that_exist_are_left_alone() -> None:
    code = """
import torch
real = torch.library.Library("torchvision", "DEF")
real.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
real.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
real.impl("nms", lambda dets, scores, iou_threshold: torch.tensor([7]), "CPU")
from segcore import _compat
print(_compat.declare_missing_ops(), _compat._libraries, torch.ops.torchvision.nms(torch.zeros(1, 4), torch.zeros(1), 0.5).item())
"""
    assert run_python(code) == "[] [] 7"


def test_missing_operators_are_declared_once() -> None:
    code = """
import torch
from segcore._compat import declare_missing_ops
print(declare_missing_ops(), declare_missing_ops())
print(torch.ops.torchvision.nms(torch.tensor([[0., 0, 2, 2], [0, 0, 2, 2]]), torch.tensor([0.1, 0.2]), 0.5).tolist())
"""
    assert run_python(code).splitlines() == ["['nms', 'qnms'] []", "[1]"]


def test_the_operator_answers_after_the_import() -> None:
    _compat.import_timm()
    assert torch.ops.torchvision.nms(BOXES, SCORES, 0.5).tolist() == [1, 3, 2]


@pytest.mark.parametrize(("threshold", "kept"), [(0.9, [1, 0, 3, 2]), (0.5, [1, 3, 2]), (0.4, [1, 2]), (0.0, [1, 2])])
def test_nms_by_hand(threshold: float, kept: list[int]) -> None:
    assert _compat.nms(BOXES, SCORES, threshold).tolist() == kept


def test_nms_of_nothing() -> None:
    assert _compat.nms(torch.zeros(0, 4), torch.zeros(0), 0.5).tolist() == []


def test_fabric_is_imported() -> None:
    assert hasattr(_compat.import_fabric(), "Fabric")


def test_fabric_inside_lightning_is_the_second_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = type(sys)("lightning.fabric")
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)  # an import of it now fails
    monkeypatch.setitem(sys.modules, "lightning", type(sys)("lightning"))
    monkeypatch.setitem(sys.modules, "lightning.fabric", stand_in)
    assert _compat.import_fabric() is stand_in


def test_another_failure_of_torchvision_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> None:
        raise RuntimeError(f"{name} is broken")

    monkeypatch.setattr(_compat.importlib, "import_module", broken)
    with pytest.raises(RuntimeError, match="torchvision is broken"):
        _compat.import_timm()
