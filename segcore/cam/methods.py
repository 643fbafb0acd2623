"""The registry of activation-map methods, all called alike."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from torch import Tensor, nn

from segcore.cam import gradient, guided
from segcore.cam.capture import Score
from segcore.cam.names import DEAR
from segcore.cam.occlusion import occlusion
from segcore.cam.score_cam import score_cam
from segcore.cam.scores import class_probability, class_score
from segcore.cam.smooth import smooth


class CamMethod(Protocol):
    """A network, images (B, C, H, W), a layer's dotted name and a score -> map (B, H, W) float32, >= 0, unscaled.

    sigma is a final Gaussian in pixels; None is the method's own default, which is none but for smooth-guided-grad-cam.
    guided-backprop and occlusion have no layer and ignore the name.
    """

    def __call__(self, model: nn.Module, images: Tensor, layer: str, score: Score, *, sigma: float | None = None) -> Tensor:
        """Explain images."""
        ...


def _smoothed(method: _Unsmoothed) -> CamMethod:
    def run(model: nn.Module, images: Tensor, layer: str, score: Score, *, sigma: float | None = None) -> Tensor:
        return smooth(method(model, images, layer, score), sigma or 0.0)

    return run


class _Unsmoothed(Protocol):
    def __call__(self, model: nn.Module, images: Tensor, layer: str, score: Score, /) -> Tensor: ...


def _guided_backprop(model: nn.Module, images: Tensor, _layer: str, score: Score, /) -> Tensor:
    return guided.guided_backprop(model, images, score)


def _occlusion(model: nn.Module, images: Tensor, _layer: str, score: Score, /) -> Tensor:
    return occlusion(model, images, score).relu()


CAMS: Mapping[str, CamMethod] = MappingProxyType(
    {
        "occlusion": _smoothed(_occlusion),
        "grad-cam": _smoothed(gradient.grad_cam),
        "layer-cam": _smoothed(gradient.layer_cam),
        "guided-backprop": _smoothed(_guided_backprop),
        "guided-grad-cam": _smoothed(guided.guided_grad_cam),
        "smooth-guided-grad-cam": guided.smooth_guided_grad_cam,
        "score-cam": _smoothed(score_cam),
    }
)


def site_score(method: str) -> Score:
    """What a method explains of a site classifier: the logit of class 1, or its probability where no gradient is taken."""
    return class_probability(1) if method in DEAR else class_score(1)
