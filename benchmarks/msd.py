"""The mixed-scale dense network (depth 100, width 1, 1 -> 2 channels) beside the loop that concatenates.

The last line is one JSON object. The other side is the definition in a few lines, torch.cat, reflection padding, conv2d, ReLU
per layer, with the same weights. 2 threads, float32, both sides in one run; times are the best of the runs, taken in turn.

- forward_s: seconds for one image of 512 x 512 px, without gradients.
- step_speedup_vs_cat: time of a training step (forward, backward, Adam) of the loop / ours.
- memory_ratio_vs_cat: memory that one training step adds in ours / in the loop: peak resident memory of a fresh process
  (resource.getrusage) less what it held before the step, network and libraries loaded.
- max_err: distance of logits and of the gradients of all parameters from the loop in float64, as a share of the largest logit
  and gradient, on 96 x 96 px; the loop's own distance in float32 is printed.
- parameters_depth100: number of parameters.

Steps are of one image of 512 x 512 px, with --quick of 256 x 256 px.
"""

import argparse
import copy
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import torch
from torch import Tensor, nn
from torch.nn import functional

from segcore.nets.msd import MSDConfig, MSDNet

FORWARD, STEP, QUICK_STEP, EXACT = 512, 512, 256, 96
"""Edges of images, in pixels."""
THREADS = 2

Call = Callable[[Tensor], Tensor]


def network() -> MSDNet:
    """The paper's network; biases and last layer drawn too, so that nothing is 0."""
    torch.manual_seed(0)
    made = MSDNet(MSDConfig(), channels=1, classes=2)
    with torch.no_grad():
        for values in (*made.biases, made.last.weight, made.last.bias):
            values.normal_(0, 0.05)
    return made


def picture(size: int) -> Tensor:
    return torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(1))


def concatenating(made: MSDNet) -> Call:
    """The same network as it is usually written."""

    def forward(images: Tensor) -> Tensor:
        maps = images
        for layer, (weight, bias) in enumerate(zip(made.weights, made.biases, strict=True)):
            dilation = layer % made.config.dilations + 1
            padded = functional.pad(maps, (dilation,) * 4, mode="reflect")
            maps = torch.cat([maps, functional.relu(functional.conv2d(padded, weight, bias, dilation=dilation))], dim=1)
        return functional.conv2d(maps, made.last.weight[:, :, None, None], made.last.bias)

    return forward


SIDES: dict[str, Callable[[MSDNet], Call]] = {"ours": lambda made: made, "cat": concatenating}


def stepper(side: str, size: int) -> Callable[[], None]:
    made = network()
    forward, optimizer = SIDES[side](made), torch.optim.Adam(made.parameters(), lr=1e-4)
    images, target = picture(size), (picture(size)[:, 0] > 0).long()

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(forward(images), target).backward()
        optimizer.step()

    return step


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def forward_time(runs: int) -> float:
    made, images = network(), picture(FORWARD)
    with torch.no_grad():
        taken = min(seconds(lambda: made(images)) for _ in range(runs))
    print(f"forward, {FORWARD} x {FORWARD} px: {taken:.3f} s")
    return taken


def step_speedup(size: int, runs: int) -> float:
    steps = {side: stepper(side, size) for side in SIDES}
    for side in SIDES:
        stepper(side, 32)()
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(runs):
        for side, step in steps.items():
            times[side].append(seconds(step))
    print(f"training step, {size} x {size} px: ours {min(times['ours']):.3f} s, torch.cat {min(times['cat']):.3f} s")
    return min(times["cat"]) / min(times["ours"])


def added_memory(side: str, size: int) -> float:
    """Megabytes that a training step adds to this process, at its peak."""
    stepper(side, 32)()
    step, before = stepper(side, size), psutil.Process().memory_info().rss
    step()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return (peak - before) / 1e6


def memory_ratio(size: int) -> float:
    """Ask before this process grows: on Linux a child begins with its parent's peak."""
    added = {}
    for side in SIDES:
        command = [sys.executable, __file__, "--memory", side, str(size)]
        added[side] = float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    print(f"memory that a training step adds, {size} x {size} px: ours {added['ours']:.0f} MB, torch.cat {added['cat']:.0f} MB")
    return added["ours"] / added["cat"]


def answers(forward: Call, made: nn.Module, images: Tensor, weighting: Tensor) -> tuple[Tensor, Tensor]:
    """Logits, and the gradients of all parameters in one row, in float64."""
    logits = forward(images)
    found = torch.autograd.grad((logits * weighting).sum(), [*made.parameters()])
    return logits.detach().double(), torch.cat([gradient.flatten().double() for gradient in found])


def max_error() -> float:
    made, images = network(), picture(EXACT)
    exact = copy.deepcopy(made).double()
    weighting = torch.randn(1, 2, EXACT, EXACT, generator=torch.Generator().manual_seed(2))
    expected = answers(concatenating(exact), exact, images.double(), weighting.double())

    def error(found: tuple[Tensor, Tensor]) -> float:
        return max(((one - other).abs().max() / other.abs().max()).item() for one, other in zip(found, expected, strict=True))

    ours, loop = (error(answers(SIDES[side](made), made, images, weighting)) for side in SIDES)
    double = error(answers(exact, exact, images.double(), weighting.double()))
    print(f"distance from the loop in float64: ours {ours:.1e}, the loop in float32 {loop:.1e}, ours in float64 {double:.1e}")
    return ours


def measure(quick: bool) -> dict[str, float]:
    size = QUICK_STEP if quick else STEP
    return {
        "memory_ratio_vs_cat": memory_ratio(size),
        "forward_s": forward_time(3 if quick else 7),
        "step_speedup_vs_cat": step_speedup(size, 2),
        "max_err": max_error(),
        "parameters_depth100": sum(parameter.numel() for parameter in network().parameters()),
    }


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--quick", action="store_true", help=f"steps of {QUICK_STEP} x {QUICK_STEP} px, fewer runs")
    mode.add_argument("--memory", nargs=2, metavar=("SIDE", "SIZE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(THREADS)
    if given.memory:
        print(added_memory(given.memory[0], int(given.memory[1])))
        return
    before = os.getloadavg()[0]
    figures = {key: value if isinstance(value, int) else float(f"{value:.6g}") for key, value in measure(given.quick).items()}
    print("| figure | value |\n|---|---|")
    for key, value in figures.items():
        print(f"| {key} | {value} |")
    sizes = {"forward_px": FORWARD, "step_px": QUICK_STEP if given.quick else STEP, "error_px": EXACT, "threads": THREADS}
    name = "quick" if given.quick else "default"
    print(json.dumps({"name": "msd", "mode": name, "machine": machine(), "load": before, "sizes": sizes, "figures": figures}))


if __name__ == "__main__":
    main()
