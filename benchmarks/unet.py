"""U-Net beside segmentation_models_pytorch's Unet('resnet18'): forward and training step at equal multiply-adds.

The last line is one JSON object. Figures are times of segmentation_models_pytorch over ours: above 1, ours is faster.

- forward_ratio_vs_smp: 2 images of 256 x 256, one channel, three classes (as its README builds a Unet), eval mode, no gradients.
- step_ratio_vs_smp: forward, cross-entropy, backward, Adam; step_ratio_without_adam: the same up to the gradients, since the
  peer has three times as many parameters to update.
- the same two against the peer with weights and images in channels_last, as its README does not call it: ..._vs_smp_channels_last.
- multiply_adds and multiply_adds_smp, in 10^9, counted by torch's FlopCounterMode; they differ by 5 % at most, or the script stops.

Both do most of their work at an eighth of the size or below: the widths of ours are chosen so, in multiples of 16. A U-Net
that doubles 24 maps three times, as many multiply-adds again, is printed beside them. Best times of all sides, taken in turn
in one process, float32, --threads threads. Exit 3 where the peer is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from segcore._compat import import_timm
from segcore.nets.build import build_net
from segcore.nets.unet import UNetConfig

CONFIG = UNetConfig(width=(16, 32, 64, 256, 320), depth=4)
DOUBLING = UNetConfig(width=24, depth=3)
CHANNELS, CLASSES, SHAPE = 1, 3, (2, 1, 256, 256)
STAGES = ("forward", "gradients", "step")


class Side:
    """A network, its images in the memory order it is called with, and its best times so far, in seconds."""

    def __init__(self, net: nn.Module, images: Tensor, target: Tensor) -> None:
        self.net, self.images, self.target = net, images, target
        self.optimiser = torch.optim.Adam(net.parameters(), lr=1e-4)
        self.best = dict.fromkeys(STAGES, float("inf"))

    def forward(self) -> None:
        with torch.no_grad():
            self.net(self.images)

    def gradients(self) -> None:
        self.optimiser.zero_grad()
        functional.cross_entropy(self.net(self.images), self.target).backward()

    def run(self) -> None:
        self.net.eval()
        self.take("forward", clock(self.forward))
        self.net.train()
        gradients = clock(self.gradients)
        self.take("gradients", gradients)
        self.take("step", gradients + clock(self.optimiser.step))

    def take(self, stage: str, seconds: float) -> None:
        self.best[stage] = min(self.best[stage], seconds)

    def multiply_adds(self) -> float:
        """Of one forward call of all images, in 10^9; the counter counts a multiply-add twice."""
        self.net.eval()
        with FlopCounterMode(display=False) as counter:
            self.forward()
        return counter.get_total_flops() / 2e9

    def parameters(self) -> float:
        return sum(parameter.numel() for parameter in self.net.parameters()) / 1e6


def clock(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def sides() -> dict[str, Side]:
    import_timm()  # before the peer: it needs what this mends in torchvision
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    images, target = torch.randn(SHAPE), torch.randint(0, CLASSES, (SHAPE[0], *SHAPE[2:]))
    last = torch.channels_last

    def peer() -> nn.Module:
        net: nn.Module = smp.Unet(encoder_name="resnet18", encoder_weights=None, in_channels=CHANNELS, classes=CLASSES)
        return net

    return {
        "ours": Side(build_net(CONFIG, channels=CHANNELS, classes=CLASSES), images, target),
        "ours, doubling": Side(build_net(DOUBLING, channels=CHANNELS, classes=CLASSES), images, target),
        "smp": Side(peer(), images, target),
        "smp, channels_last": Side(peer().to(memory_format=last), images.contiguous(memory_format=last), target),
    }


def measure(seconds: float) -> dict[str, float]:
    every = sides()
    counts = {name: side.multiply_adds() for name, side in every.items()}
    if abs(counts["ours"] / counts["smp"] - 1) > 0.05:
        raise RuntimeError(f"multiply-adds differ by more than 5 %: {counts}")
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < end:
        for side in every.values():
            side.run()
        rounds += 1
    print(f"{CONFIG}, images {SHAPE}, {torch.get_num_threads()} threads, best of {rounds}")
    print("| network | 10^9 multiply-adds | 10^6 parameters | forward, s | to the gradients, s | step, s |\n|---|---|---|---|---|---|")
    for name, side in every.items():
        times = " | ".join(f"{side.best[stage]:.3f}" for stage in STAGES)
        print(f"| {name} | {counts[name]:.2f} | {side.parameters():.2f} | {times} |")
    return ratios(every) | {"multiply_adds": counts["ours"], "multiply_adds_smp": counts["smp"]}


def ratios(every: dict[str, Side]) -> dict[str, float]:
    ours, peer, last = (every[name].best for name in ("ours", "smp", "smp, channels_last"))
    return {
        "forward_ratio_vs_smp": peer["forward"] / ours["forward"],
        "step_ratio_vs_smp": peer["step"] / ours["step"],
        "step_ratio_without_adam": peer["gradients"] / ours["gradients"],
        "forward_ratio_vs_smp_channels_last": last["forward"] / ours["forward"],
        "step_ratio_vs_smp_channels_last": last["step"] / ours["step"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="20 s of rounds instead of 90")
    options = parser.parse_args()
    if find_spec("segmentation_models_pytorch") is None:
        print("segmentation_models_pytorch is not installed; run: pip install segmentation-models-pytorch", file=sys.stderr)
        sys.exit(3)
    torch.set_num_threads(options.threads)
    figures = {key: float(f"{value:.4g}") for key, value in measure(20 if options.quick else 90).items()}
    print("| figure | value |\n|---|---|")
    for key, value in figures.items():
        print(f"| {key} | {value} |")
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    print(json.dumps({"name": "unet", "mode": "quick" if options.quick else "default", "machine": machine, "figures": figures}))


if __name__ == "__main__":
    main()
