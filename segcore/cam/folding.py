"""Batch normalisation folded into the convolution before it, while a network answers the same question many times.

In evaluation mode a batch norm is a scale and a shift per channel, so it can be part of the convolution's weights. The
network itself stays as it is: the calls of the two functions are caught, whatever modules they come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_FACTS = (int, torch.Size, torch.dtype, torch.device, torch.layout)
"""What a call answers that asks for the kind of a tensor, not for its values."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A convolution whose answer only a batch norm reads."""

    weight: Tensor
    bias: Tensor | None
    norm: tuple[Any, ...]
    """Arguments of the batch norm after its input: mean, variance, weight, bias, training, momentum, epsilon."""

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the convolution that does both, the weight channels last: faster on CPUs and GPUs alike."""
        mean, variance, gain, shift, _, _, epsilon = self.norm
        scale = (variance + epsilon).rsqrt()
        scale = scale if gain is None else scale * gain
        bias = scale * ((0 if self.bias is None else self.bias) - mean)
        weight = torch.empty_like(self.weight, memory_format=torch.channels_last)  # says so even where there is one band
        torch.mul(self.weight, scale[:, None, None, None], out=weight)
        return weight, bias if shift is None else bias + shift


class NormWatch(TorchFunctionMode):
    """Watches one forward call in evaluation mode and learns which convolutions feed a batch norm and nothing else."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        super().__init__()
        self._made: dict[int, tuple[Tensor, Tensor, Tensor | None]] = {}
        self._read: dict[int, list[tuple[Any, ...] | None]] = {}
        self._runs: dict[int, int] = {}

    def __torch_function__(self, func: Any, types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Called by torch instead of each of its functions."""
        options = dict(kwargs or {})
        answer = func(*args, **options)
        if not isinstance(answer, _FACTS):
            for value in _tensors([args, options]):
                if id(value) in self._made:
                    self._read.setdefault(id(value), []).append(_norm(func, args, options) if args and value is args[0] else None)
        if func is functional.conv2d and len(args) > 1 and isinstance(args[1], nn.Parameter):  # others may be made anew in each call
            bias = args[2] if len(args) > 2 else options.get("bias")
            self._made[id(answer)] = (answer, args[1], bias)  # held, so that no other tensor gets its id
            self._runs[id(args[1])] = self._runs.get(id(args[1]), 0) + 1
        return answer

    def folded(self) -> FoldedNorms:
        """What replaces the pairs that were seen."""
        pairs = []
        for number, (_, weight, bias) in self._made.items():
            readers = self._read.get(number, [])
            if len(readers) == 1 and readers[0] is not None and self._runs[id(weight)] == 1:
                pairs.append(_Pair(weight, bias, readers[0]))
        norms = [id(pair.norm[0]) for pair in pairs]
        return FoldedNorms([pair for pair in pairs if norms.count(id(pair.norm[0])) == 1])


class FoldedNorms(TorchFunctionMode):
    """While active, the convolutions of the pairs do the work of their batch norms too; the answers differ by rounding."""

    def __init__(self, pairs: Iterable[_Pair]) -> None:
        """pairs: as NormWatch has found them; kept, so that their ids stay theirs."""
        super().__init__()
        self.pairs = tuple(pairs)
        self._weights = {id(pair.weight): pair.folded() for pair in self.pairs}
        self._norms = {id(pair.weight): id(pair.norm[0]) for pair in self.pairs}
        self._done: dict[int, Tensor] = {}

    def __torch_function__(self, func: Any, types: Iterable[type], args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        """Called by torch instead of each of its functions."""
        options = dict(kwargs or {})
        if func is functional.conv2d and len(args) > 1 and id(args[1]) in self._weights:
            weight, bias = self._weights[id(args[1])]
            options.pop("bias", None)
            answer = func(args[0], weight, bias, *args[3:], **options)
            self._done[self._norms[id(args[1])]] = answer
            return answer
        if func is functional.batch_norm and len(args) > 1 and self._done.get(id(args[1])) is args[0]:
            return self._done.pop(id(args[1]))
        return func(*args, **options)


def fold_norms(model: nn.Module, image: Tensor) -> FoldedNorms:
    """Run model once on image (1, C, H, W), in evaluation mode and without gradients, and learn what can be folded."""
    with torch.no_grad():
        watch = NormWatch()
        with watch:
            model(image.clone())
        return watch.folded()


def _tensors(values: Any) -> Iterator[Tensor]:
    """The tensors among the arguments of a call, also those in lists, as of torch.cat."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple | dict):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _tensors(value)


def _norm(func: Any, args: Any, options: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """The seven arguments of a batch norm with its own statistics, or None for anything else."""
    if func is not functional.batch_norm:
        return None
    names = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    defaults: dict[str, Any] = {"weight": None, "bias": None, "training": False, "momentum": 0.1, "eps": 1e-5}
    values = defaults | dict(zip(names, args[1:], strict=False)) | {name: options[name] for name in names if name in options}
    if values["training"] or values.get("running_mean") is None or values.get("running_var") is None or len(args) < 2:
        return None
    return tuple(values[name] for name in names)
