"""Guided backpropagation and its products with Grad-CAM.

Every ReLU is caught where it is called, so that it does not matter whether a network uses nn.ReLU, one module several
times, an in-place ReLU or a function. What else rectifies (ReLU6, SiLU, x * (x > 0)) keeps its own gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from segcore.cam.capture import Recording, Score, record, undisturbed
from segcore.cam.gradient import upsample, weigh_channels
from segcore.cam.smooth import smooth
from segcore.errors import ConfigError

SIGMA_SHARE = 0.05
"""Default Gaussian of the smoothed method, as a share of the image's shorter edge; to be tuned on development data."""


def guided_gradient(model: nn.Module, images: Tensor, score: Score) -> Tensor:
    """Guided backpropagation (Springenberg et al. 2015, sec. 3.4): the signed input gradient, (B, C, H, W).

    Each ReLU lets a gradient pass only where its input and the gradient are positive.
    Without any ReLU this is the plain input gradient.

    Raises:
        ConfigError: the network is compiled, so that its ReLUs cannot be reached, or the score ignores the images.
        ShapeError: images, the network's answer or the score have the wrong shape.
    """
    with undisturbed(model, images):
        seen, relus = _record(model, images, [], score)
        return _guided(seen, relus)


def guided_backprop(model: nn.Module, images: Tensor, score: Score) -> Tensor:
    """Size of the guided gradient, summed over the bands: images (B, C, H, W) -> map (B, H, W) >= 0, unscaled.

    Raises:
        ConfigError: as guided_gradient.
        ShapeError: as guided_gradient.
    """
    return guided_gradient(model, images, score).abs().sum(dim=1).float()


def guided_grad_cam(model: nn.Module, images: Tensor, layer: str, score: Score) -> Tensor:
    """Guided Grad-CAM (Selvaraju et al. 2017, sec. 3.2): Grad-CAM at input size times guided backpropagation.

    The size of the product is summed over the bands: a dark site on light ground and the reverse both count.
    images (B, C, H, W) -> map (B, H, W) >= 0, unscaled; one forward call, one backward call to the layer, one to the images.

    Raises:
        ConfigError: as guided_gradient; the layer is unknown, does not run once, or the score does not depend on it.
        ShapeError: images, the layer's answer or the score have the wrong shape.
    """
    with undisturbed(model, images):
        seen, relus = _record(model, images, [layer], score)
        (grad,) = seen.gradient(seen.acts, keep=True)
        fine = _guided(seen, relus)
    coarse = upsample(weigh_channels(seen.acts[0].detach(), grad), images)
    return coarse * fine.abs().sum(dim=1).float()


def smooth_guided_grad_cam(model: nn.Module, images: Tensor, layer: str, score: Score, *, sigma: float | None = None) -> Tensor:
    """Smoothed Guided Grad-CAM (Vădineanu, Leiden thesis, ch. 5): Guided Grad-CAM, then a Gaussian of sigma pixels.

    The logistic rescaling that follows in the thesis is the calibration. sigma is by default 5 % of the shorter edge.

    Raises:
        ConfigError: as guided_grad_cam; sigma is not above 0.
        ShapeError: as guided_grad_cam.
    """
    if sigma is not None and not sigma > 0:
        raise ConfigError(f"smoothing needs a sigma above 0 px, got {sigma}. Without smoothing it is guided-grad-cam.")
    return smooth(guided_grad_cam(model, images, layer, score), SIGMA_SHARE * min(images.shape[-2:]) if sigma is None else sigma)


def has_relus(model: nn.Module, image: Tensor) -> bool:
    """Whether guiding changes anything: whether a forward call on image (1, C, H, W) meets a ReLU that can be caught."""
    relus = GuidedReLUs()
    with undisturbed(model, image), relus:
        model(image.detach().clone().requires_grad_().clone())
    return relus.met > 0


class GuidedReLUs(TorchFunctionMode):
    """While active, each ReLU of a forward call answers as always; its gradient is masked once `guiding` is set."""

    guiding = False
    met = 0
    """ReLUs so far."""

    def __torch_function__(self, func: Any, types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Called by torch instead of each of its functions."""
        options = dict(kwargs or {})
        values = _rectified(func, args, options)
        if values is None or not values.requires_grad:
            return func(*args, **options)
        self.met += 1
        apply: Any = _GuidedReLU.apply  # untyped in torch
        return apply(values, self, bool(options.get("inplace")) or func in _IN_PLACE)


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, switch: GuidedReLUs, in_place: bool) -> Tensor:
        answer = values.relu_() if in_place else values.relu()
        if in_place:
            ctx.mark_dirty(values)
        ctx.save_for_backward(answer)
        ctx.switch = switch
        return answer

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (answer,) = ctx.saved_tensors
        grad = grads[0].relu() if ctx.switch.guiding else grads[0]
        return torch.ops.aten.threshold_backward(grad, answer, 0), None, None


_IN_PLACE = {torch.relu_, Tensor.relu_, torch.clamp_min_, Tensor.clamp_min_, torch.clamp_, Tensor.clamp_, torch.clip_, Tensor.clip_}
_RELU = {functional.relu, torch.relu, Tensor.relu, torch.relu_, Tensor.relu_}
_CLAMP_MIN = {torch.clamp_min, Tensor.clamp_min, torch.clamp_min_, Tensor.clamp_min_}
_CLAMP = {torch.clamp, Tensor.clamp, torch.clip, Tensor.clip, torch.clamp_, Tensor.clamp_, torch.clip_, Tensor.clip_}


def _rectified(func: Any, args: Any, options: dict[str, Any]) -> Tensor | None:
    """The tensor that func(*args, **options) rectifies at 0, or None where it does something else."""
    if func in _RELU:
        return _first(args, options)
    if func in _CLAMP_MIN or func in _CLAMP:
        low = args[1] if len(args) > 1 else options.get("min")
        high = args[2] if len(args) > 2 else options.get("max")
        if isinstance(low, int | float) and low == 0 and high is None:
            return _first(args, options)
    return None


def _first(args: Any, options: dict[str, Any]) -> Tensor:
    values: Tensor = args[0] if args else options["input"]
    return values


def _record(model: nn.Module, images: Tensor, layers: list[str], score: Score) -> tuple[Recording, GuidedReLUs]:
    for name, module in model.named_modules():
        compiled = isinstance(module, torch.jit.ScriptModule) or hasattr(module, "_orig_mod") or module._compiled_call_impl is not None
        if compiled or getattr(module, "grad_checkpointing", False):
            what = name or "the network"
            raise ConfigError(f"guided backpropagation must reach every ReLU; {what} is compiled or checkpointed. Pass the plain network.")
    with GuidedReLUs() as relus:
        return record(model, images, layers, score, to_images=True), relus


def _guided(seen: Recording, relus: GuidedReLUs) -> Tensor:
    relus.guiding = True
    return seen.gradient([seen.images])[0]
