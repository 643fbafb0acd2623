"""Networks answer the same with their batch norms folded, and what cannot be folded is left alone."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

from segcore.cam.folding import fold_norms
from segcore.cam.occlusion import occlusion
from segcore.cam.scores import class_probability

PAIRS = {"vgg16": 0, "resnet34": 36, "densenet121": 59, "efficientnet_b0": 49}
"""Of densenet121 the stem and the 58 narrow convolutions; its other norms read several answers joined."""


def norm(channels, **options):
    """A batch norm whose statistics and weights are anything but 0 and 1."""
    made = nn.BatchNorm2d(channels, **options)
    with torch.no_grad():
        for values in (made.running_mean, made.bias):
            if values is not None:
                values.uniform_(-1, 1)
        for values in (made.running_var, made.weight):
            if values is not None:
                values.uniform_(0.5, 2)
    return made


class Net(nn.Module):
    """conv and norm as given, then whatever `join` makes of images, conv and norm, then a ReLU and the mean over pixels."""

    def __init__(self, join, *, conv=None, **norms):
        super().__init__()
        self.join = join
        self.conv = conv or nn.Conv2d(2, 4, 3, bias=False)
        self.norm, self.other = norm(4, **norms), norm(4)
        self.second = nn.Parameter(torch.randn(4, 2, 3, 3))

    def forward(self, images):
        return self.join(self, images).relu().mean(dim=(2, 3))[:, :2]


def read_twice(net, images):
    made = net.conv(images)
    return net.norm(made) + made


def joined_with_its_norm(net, images):
    made = net.conv(images)
    return torch.cat([net.norm(made)[:, :1], made[:, 1:2]], dim=1) + torch.cat([net.norm(made), made], dim=1)[:, 3:5]


def stacked_with_its_norm(net, images):
    made = net.conv(images)
    return torch.stack(tensors=(made, net.norm(made))).sum(dim=0)


def normed_twice(net, images):
    made = net.conv(images)
    return net.norm(made) + net.other(made)


def run_twice(net, images):
    return net.norm(net.conv(images)) + net.other(net.conv(images.flip(3)))


def norm_of_two(net, images):
    return net.norm(net.conv(images)) + net.norm(net.conv(images.flip(2)) * 2)


def norm_of_two_convolutions(net, images):
    first, second = net.conv(images), functional.conv2d(images, net.second)
    return net.norm(first) + net.norm(second).tanh()


def changed_before(net, images):
    return net.norm(net.conv(images).mul_(3))


def looked_at(net, images):
    made = net.conv(images)
    assert made.shape[1] == 4
    return net.norm(made) * made.amax(dim=(1, 2, 3), keepdim=True)


def in_training(net, images):
    made = net.conv(images)
    return functional.batch_norm(made, net.norm.running_mean.clone(), net.norm.running_var.clone(), training=True)


def by_keyword(net, images):
    norm = net.norm
    return functional.batch_norm(input=net.conv(images), running_mean=norm.running_mean, running_var=norm.running_var)


def plain(net, images):
    return net.norm(net.conv(images))


def shape_read(net, images):
    made = net.conv(images)
    return net.norm(made)[..., : made.shape[-1] - made.size(1) + made.dim()]


def functional_calls(net, images):
    made = functional.conv2d(images, net.conv.weight, bias=net.conv.bias, padding=1)
    return functional.batch_norm(made, net.norm.running_mean, net.norm.running_var, weight=net.norm.weight, eps=0.1)


def in_place_after(net, images):
    return functional.relu(net.norm(net.conv(images)), inplace=True).add_(1)


FOLDED = {
    "plain": lambda: Net(plain),
    "bias": lambda: Net(plain, conv=nn.Conv2d(2, 4, 3)),
    "no affine": lambda: Net(plain, affine=False),
    "groups, stride, dilation": lambda: Net(plain, conv=nn.Conv2d(2, 4, 3, stride=2, dilation=2, groups=2)),
    "other padding": lambda: Net(plain, conv=nn.Conv2d(2, 4, 3, padding=2, padding_mode="reflect")),
    "other epsilon": lambda: Net(plain, eps=0.5),
    "its shape is read": lambda: Net(shape_read),
    "keywords": lambda: Net(by_keyword),
    "functions": lambda: Net(functional_calls, conv=nn.Conv2d(2, 4, 3)),
    "changed in place behind": lambda: Net(in_place_after),
}
LEFT = {
    "read twice": lambda: Net(read_twice),
    "joined with its norm": lambda: Net(joined_with_its_norm),
    "stacked with its norm": lambda: Net(stacked_with_its_norm),
    "two norms of one answer": lambda: Net(normed_twice),
    "two norms of one convolution": lambda: Net(run_twice),
    "one norm of two answers": lambda: Net(norm_of_two),
    "one norm of two convolutions": lambda: Net(norm_of_two_convolutions),
    "changed before the norm": lambda: Net(changed_before),
    "its largest value is read": lambda: Net(looked_at),
    "norm in training mode": lambda: Net(in_training),
    "norm without statistics": lambda: Net(plain, track_running_stats=False),
    "weight normalisation": lambda: Net(plain, conv=nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 4, 3))),
    "transposed": lambda: Net(plain, conv=nn.ConvTranspose2d(2, 4, 3)),
}


@pytest.fixture
def make():
    """Networks of one seed."""

    def build(way):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            return way().eval()

    return build


def answers(model, images):
    """Pairs found on the first image; the answers to all of them without and with the norms folded."""
    with torch.no_grad():
        folded = fold_norms(model, images[:1])
        wanted = [model(images), model(images[1:])]
        with folded:
            found = [model(images), model(images[1:])]
        assert torch.equal(model(images), wanted[0])  # folding ends with the block
    return len(folded.pairs), found, wanted


@pytest.mark.parametrize("arch", PAIRS)
def test_the_usual_networks_answer_the_same(arch, lively, images, close):
    count, found, wanted = answers(lively(arch), images)
    assert count == PAIRS[arch]
    for ours, oracle in zip(found, wanted, strict=True):
        close(ours, oracle, 2e-5)


@pytest.mark.parametrize("way", FOLDED.values(), ids=FOLDED)
def test_what_can_be_folded_is(way, make, scenes, close):
    count, found, wanted = answers(make(way), scenes)
    assert count == 1
    for ours, oracle in zip(found, wanted, strict=True):
        close(ours, oracle)


@pytest.mark.parametrize("way", LEFT.values(), ids=LEFT)
def test_what_cannot_be_folded_is_left(way, make, scenes, close):
    count, found, wanted = answers(make(way), scenes)
    assert count == 0
    for ours, oracle in zip(found, wanted, strict=True):
        close(ours, oracle)


def test_the_small_network_has_two_pairs_and_answers_the_same(small, scenes, close):
    count, found, wanted = answers(small, scenes)
    assert count == 2
    close(found[0], wanted[0])


def test_folded_norms_are_not_computed(make, scenes):
    """Else the calls above would compare a network with itself."""
    model, seen = make(FOLDED["plain"]), []
    with torch.no_grad():
        folded = fold_norms(model, scenes[:1])
        model.norm.register_forward_hook(lambda _module, inputs, answer: seen.append(answer is inputs[0]))
        with folded:
            model(scenes)
        model(scenes)
    assert seen == [True, False]


class Gated(Net):
    """Skips its convolution for images that are dark on average: another path than that of the image that was looked at."""

    def forward(self, images):
        made = self.conv(images) if images.mean() > 0 else images.repeat(1, 2, 1, 1)
        return self.norm(made).mean(dim=(2, 3))[:, :2]


def test_a_norm_that_gets_another_tensor_is_computed(make, scenes, close):
    model = make(lambda: Gated(None))
    with torch.no_grad():
        folded = fold_norms(model, scenes[:1].abs())
        wanted = [model(-scenes.abs()), model(scenes.abs())]
        with folded:
            found = [model(-scenes.abs()), model(scenes.abs())]
    assert len(folded.pairs) == 1
    for ours, oracle in zip(found, wanted, strict=True):
        close(ours, oracle)


def test_weights_and_statistics_stay_as_they_are(small, scenes):
    before = {name: value.clone() for name, value in small.state_dict().items()}
    answers(small, scenes)
    assert all(torch.equal(value, before[name]) for name, value in small.state_dict().items())


MIXING = ("norm in training mode", "norm without statistics")
"""Here an answer depends on the other images of a batch, so that hundreds at a time are another question."""


@pytest.mark.parametrize("way", [name for name in LEFT if name not in MIXING])
def test_maps_of_networks_that_cannot_be_folded_equal_a_loop(way, make, scenes, close):
    """Four tiles of 14 px, cut by the edge below, hidden one after the other."""
    model, score = make(LEFT[way]), class_probability(1)
    wanted = torch.zeros(3, 20, 28)
    with torch.no_grad():
        for tile in product((slice(0, 14), slice(14, 20)), (slice(0, 14), slice(14, 28))):
            hidden = scenes.clone()
            hidden[:, :, *tile] = 0
            wanted[:, *tile] = (score(model(scenes)) - score(model(hidden)))[:, None, None]
    close(occlusion(model, scenes, score, window=14, stride=14), wanted)
