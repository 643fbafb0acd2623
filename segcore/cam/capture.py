"""One forward and one backward call: what named layers answered, and how the score would follow a change of it.

The network is left exactly as it was found, also when the score raises: training flags, frozen weights, hooks,
`.grad`, random state and modules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from segcore.cam.layers import find_layers
from segcore.errors import ConfigError, ShapeError

Score = Callable[[Tensor], Tensor]
"""What is explained: the network's answer, (B, K) of a classifier or (B, K, h, w) of a segmenter, -> a number per image, (B,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """Activations and gradients of one call, layer by layer in the order asked for."""

    acts: tuple[Tensor, ...]
    """What each layer answered, (B, C, h, w), before anything behind it changed it in place."""
    grads: tuple[Tensor, ...]
    """d score / d act, of the same shapes."""
    output: Tensor
    """The network's answer, (B, K) or (B, K, h, w)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A forward call whose graph is still alive: images and activations may be differentiated."""

    images: Tensor
    acts: tuple[Tensor, ...]
    output: Tensor
    total: Tensor
    """The sum of the scores, a scalar; images do not mix, so its gradient is each image's own."""

    def gradient(self, sources: Sequence[Tensor], *, keep: bool = False) -> tuple[Tensor, ...]:
        """d total / d sources; no other gradient is computed. The graph is freed unless keep.

        Raises:
            ConfigError: the score does not depend on one of the sources.
        """
        if not sources:
            raise ConfigError("a gradient needs at least one layer, got none. Name one.")
        found: tuple[Tensor | None, ...] = (None,)
        if self.total.requires_grad:
            found = torch.autograd.grad(self.total, sources, retain_graph=keep, allow_unused=True)
        grads = tuple(grad for grad in found if grad is not None)
        if len(grads) < len(sources):
            raise ConfigError("a map follows the score's gradient, but the score does not depend on a layer asked for. Choose another.")
        return grads


def capture(model: nn.Module, images: Tensor, layers: Sequence[str], score: Score) -> Captured:
    """Run model on images (B, C, H, W) and keep what layers answered and the gradient of the score there.

    Nothing before the first of the layers is recorded for the backward call, and no weight gets a gradient.

    Raises:
        ConfigError: a layer is unknown, never runs, runs twice, or the score does not depend on it.
        ShapeError: images, a layer's answer, the network's answer or the score have the wrong shape; images hold NaN.
    """
    with undisturbed(model, images):
        seen = record(model, images, layers, score)
        grads = seen.gradient(seen.acts)
    return Captured(acts=tuple(act.detach() for act in seen.acts), grads=grads, output=seen.output.detach())


def record(model: nn.Module, images: Tensor, layers: Sequence[str], score: Score, *, to_images: bool = False) -> Recording:
    """The forward half of capture, to be called inside `undisturbed`; to_images records the whole network.

    Raises:
        ConfigError: a layer is unknown, never runs or runs twice.
        ShapeError: images, a layer's answer, the network's answer or the score have the wrong shape.
    """
    check_images(images)
    leaf = images.detach().clone().requires_grad_(to_images)
    acts, output = observe(model, leaf.clone(), layers)  # a first layer that works in place gets its own copy
    return Recording(images=leaf, acts=acts, output=output, total=image_scores(score, output, len(images)).sum())


def observe(model: nn.Module, images: Tensor, layers: Sequence[str]) -> tuple[tuple[Tensor, ...], Any]:
    """One forward call: what the layers answered, before anything behind them changed it in place, and the network's answer.

    Raises:
        ConfigError: a layer is unknown, never runs or runs twice.
        ShapeError: a layer's answer is no (B, C, h, w).
    """
    acts: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for name, layer in zip(layers, find_layers(model, layers), strict=True):
            hooks.callback(layer.register_forward_hook(_keeper(name, acts)).remove)
        output = model(images)
    for name in layers:
        if name not in acts:
            raise ConfigError(f"a map needs a layer that runs; {name!r} does not run in this network. Choose another layer.")
    return tuple(acts[name] for name in layers), output


def check_images(images: Tensor) -> None:
    """Refuse what no network should be explained on.

    Raises:
        ShapeError: images are no (B, C, H, W) floats, or hold NaN or infinity.
    """
    if images.ndim != 4 or not images.is_floating_point():
        raise ShapeError(f"images are (B, C, H, W) floats, got {images.dtype} of shape {tuple(images.shape)}.")
    if not bool(images.isfinite().all()):
        raise ShapeError("images hold finite numbers; these hold NaN or infinity. Fill missing pixels first.")


@contextmanager
def undisturbed(model: nn.Module, images: Tensor) -> Iterator[None]:
    """Evaluation mode, frozen weights and gradients on inside; afterwards everything is as it was."""
    training = [(module, module.training) for module in model.modules()]
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    cuda = [images.device] if images.is_cuda else []
    try:
        for module, _ in training:
            module.training = False
        for weight in trainable:
            weight.requires_grad_(False)
        with torch.random.fork_rng(devices=cuda), torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, flag in training:
            module.training = flag
        for weight in trainable:
            weight.requires_grad_(True)


def _keeper(name: str, acts: dict[str, Tensor]) -> Callable[[nn.Module, Any, Any], Tensor]:
    """A forward hook that keeps a copy of the answer and hands on another: in-place layers behind it then change neither."""

    def keep(_module: nn.Module, _inputs: Any, answer: Any) -> Tensor:
        if name in acts:
            raise ConfigError(f"a map needs a layer that runs once; {name!r} runs several times in one call. Choose another layer.")
        if not isinstance(answer, Tensor) or answer.ndim != 4:
            what = f"shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else f"a {type(answer).__name__}"
            raise ShapeError(f"a map needs a layer that answers (B, C, h, w); {name!r} answers {what}. Choose a convolutional layer.")
        acts[name] = answer.clone()
        if torch.is_grad_enabled() and not answer.requires_grad:
            acts[name] = acts[name].detach().requires_grad_()  # the record begins here
        return acts[name].clone()

    return keep


def image_scores(score: Score, output: Any, batch: int) -> Tensor:
    """Score of each image, (B,).

    Raises:
        ShapeError: the answer is no tensor, or the score not one number per image.
    """
    if not isinstance(output, Tensor):
        raise ShapeError(f"the network must answer one tensor, got a {type(output).__name__}. Wrap networks that answer several.")
    values = score(output)
    if values.shape != (batch,):
        raise ShapeError(f"the score is one number per image, ({batch},), got {tuple(values.shape)}. For class 1 write output[:, 1].")
    return values
