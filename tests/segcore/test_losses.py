"""Losses against closed forms in NumPy, by hand, and where they must not break: empty classes, ignored pixels, huge logits."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segcore.errors import ConfigError, ShapeError
from segcore.losses import EMPTY, IGNORE, LOSSES, cross_entropy, focal, soft_dice

REDUCTIONS = ("batch", "image")


def drawn(seed, images=3, classes=3, size=(5, 4)):
    """Logits (B, K, H, W) float64 with a gradient, labels with some to ignore, and a further mask."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 2, (images, classes, *size))).requires_grad_()
    target = torch.from_numpy(rng.integers(IGNORE, classes, (images, *size)))
    return logits, target, torch.from_numpy(rng.random((images, *size)) < 0.2)


def pooled(name, logits, target, counts):
    """The closed form of a loss over all pixels it is given, in float64."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = raised / raised.sum(axis=1, keepdims=True)
    if name == "soft-dice":
        dice = []
        for k in range(1, p.shape[1]):
            y, q = (target == k)[counts].astype(float), p[:, k][counts]
            dice.append(1 - (2 * (q * y).sum() + EMPTY) / (q.sum() + y.sum() + EMPTY))
        return np.mean(dice)
    true = np.take_along_axis(p, np.maximum(target, 0)[:, None], axis=1)[:, 0][counts]
    weight = (1 - true) ** 2 if name == "focal" else 1
    return -(weight * np.log(true)).sum() / max(counts.sum(), 1)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(2, 4))
def test_equals_the_closed_form(name, reduction, seed, classes):
    logits, target, ignore = drawn(seed, classes=classes)
    arrays = [part.detach().numpy() for part in (logits, target, (target != IGNORE) & ~ignore)]
    groups = [slice(None)] if reduction == "batch" else [slice(i, i + 1) for i in range(len(target))]
    expected = np.mean([pooled(name, *(array[group] for array in arrays)) for group in groups])
    assert LOSSES[name](logits, target, ignore=ignore, reduction=reduction).item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_gradient_is_that_of_finite_differences(name, reduction):
    logits, target, ignore = drawn(1, size=(3, 2))
    assert torch.autograd.gradcheck(lambda values: LOSSES[name](values, target, ignore=ignore, reduction=reduction), (logits,))


def answers(mask):
    """Logits so sure that the softmax is exactly the mask (H, W)."""
    mask = torch.as_tensor(mask)
    return (torch.stack((~mask, mask))[None] * 400.0).requires_grad_()


def test_dice_by_hand():
    truth = torch.tensor([[[1, 1, 0, 0]]])
    half = answers([[True, False, True, False]])
    assert soft_dice(half, truth).item() == pytest.approx(0.5)  # 1 - 2 * 1 / (2 + 2); 1 - IoU would be 2/3
    assert soft_dice(answers([[True, True, False, False]]), truth).item() == pytest.approx(0, abs=1e-6)
    assert soft_dice(answers([[False, False, True, True]]), truth).item() == pytest.approx(1)
    assert soft_dice(torch.zeros(1, 2, 1, 4), truth).item() == pytest.approx(0.5)  # 1 - 2 * 1 / (2 + 2)


def test_dice_of_three_quarters_is_not_one_minus_iou():
    truth = torch.tensor([[[1, 1, 1, 0, 0]]])
    answer = answers([[True, True, True, True, True]])
    assert soft_dice(answer, truth).item() == pytest.approx(0.25)  # 1 - IoU would be 0.4


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("sure", [30.0, 400.0])
def test_empty_prediction_of_an_empty_target_is_no_loss(reduction, sure):
    logits = torch.zeros(2, 2, 4, 4)
    logits[:, 0] = sure
    logits.requires_grad_()
    loss = soft_dice(logits, torch.zeros(2, 4, 4, dtype=torch.int64), reduction=reduction)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.item() == pytest.approx(0, abs=1e-5)
    assert gradient.isfinite().all()


def test_reductions_differ_where_images_do():
    truth = torch.tensor([[[1, 1, 1, 1]], [[1, 0, 0, 0]]])
    logits = torch.cat((answers([[True, True, True, True]]), answers([[False, False, False, False]])))
    assert soft_dice(logits, truth).item() == pytest.approx(1 - 8 / 9)
    assert soft_dice(logits, truth, reduction="image").item() == pytest.approx(0.5, abs=1e-6)


def test_reduction_of_pixels_weighs_images_alike():
    truth = torch.tensor([[[0, 0, 0, 0]], [[1, -1, -1, -1]]])
    logits = torch.zeros(2, 2, 1, 4)
    logits[0, 0], logits[1, 0] = 2.0, 2.0
    right, wrong = np.log1p(np.exp(-2)), np.log1p(np.exp(2))
    assert cross_entropy(logits, truth).item() == pytest.approx((4 * right + wrong) / 5)
    assert cross_entropy(logits, truth, reduction="image").item() == pytest.approx((right + wrong) / 2)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ignored_pixels_have_no_gradient_and_no_say(name, reduction):
    logits, target, ignore = drawn(5)
    (gradient,) = torch.autograd.grad(LOSSES[name](logits, target, ignore=ignore, reduction=reduction), logits)
    out = ((target == IGNORE) | ignore)[:, None].expand_as(gradient)
    assert out.any()
    assert (gradient[out] == 0).all()
    assert (gradient[~out] != 0).all()
    other = torch.where(out, torch.full_like(logits, 9.0), logits)
    loss = LOSSES[name](logits, target, ignore=ignore, reduction=reduction)
    assert LOSSES[name](other, target, ignore=ignore, reduction=reduction) == loss


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_to_learn_from_is_no_loss(name, reduction):
    logits, target, _ = drawn(6)
    loss = LOSSES[name](logits, torch.full_like(target, IGNORE), reduction=reduction)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@settings(max_examples=20, deadline=None)
@given(size=st.sampled_from([0.0, 1.0, 20.0, 100.0, 1e4, 1e30]), labels=st.lists(st.integers(-1, 1), min_size=4, max_size=4))
def test_loss_and_gradient_are_finite(name, reduction, size, labels):
    logits = (size * torch.tensor([[1.0, -1.0, 0.0, 1.0], [-1.0, 1.0, 0.0, 1.0]]).view(1, 2, 2, 2)).requires_grad_()
    loss = LOSSES[name](logits, torch.tensor(labels).view(1, 2, 2), reduction=reduction)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert loss >= 0
    assert gradient.isfinite().all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 5.0])
def test_focal_is_finite_for_any_gamma(gamma):
    logits = torch.tensor([[[[300.0, 0.0, -300.0]], [[0.0, 0.0, 0.0]]]], requires_grad=True)
    loss = focal(logits, torch.zeros(1, 1, 3, dtype=torch.int64), gamma=gamma)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_focal_without_focus_is_cross_entropy():
    logits, target, ignore = drawn(7)
    torch.testing.assert_close(focal(logits, target, ignore=ignore, gamma=0.0), cross_entropy(logits, target, ignore=ignore))


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_is_summed_in_single(name):
    logits, target, _ = drawn(8, size=(64, 64))
    loss = LOSSES[name](logits.to(torch.bfloat16), target)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(LOSSES[name](logits, target).item(), rel=1e-2)


def test_steps_downhill_reach_the_target():
    target = torch.zeros(1, 8, 8, dtype=torch.int64)
    target[:, 2:5, 3:7] = 1
    for loss in LOSSES.values():
        logits = torch.zeros(1, 2, 8, 8, requires_grad=True)
        optimiser = torch.optim.Adam([logits], lr=0.3)
        for _ in range(30):
            optimiser.zero_grad()
            loss(logits, target).backward()
            optimiser.step()
        assert (logits.argmax(dim=1) == target).all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"logits": torch.zeros(2, 4, 4)}, "logits are"),
        ({"logits": torch.zeros(2, 1, 4, 4)}, "K >= 2"),
        ({"target": torch.zeros(2, 4, 5, dtype=torch.int64)}, r"the target of these logits is \(2, 4, 4\) int64"),
        ({"target": torch.zeros(2, 4, 4)}, "float32"),
        ({"target": torch.full((2, 4, 4), 3)}, r"labels are -1 \(ignore\) to 2, got 3 to 3"),
        ({"target": torch.full((2, 4, 4), -2)}, "got -2 to -2"),
        ({"ignore": torch.zeros(2, 4, 4)}, "ignore is a boolean"),
    ],
)
def test_refuses_what_does_not_fit(name, change, text):
    good = {"logits": torch.zeros(2, 3, 4, 4), "target": torch.zeros(2, 4, 4, dtype=torch.int64), "ignore": None}
    parts = good | change
    with pytest.raises(ShapeError, match=text):
        LOSSES[name](parts["logits"], parts["target"], ignore=parts["ignore"])


def test_refuses_unknown_reductions_and_focus():
    logits, target, _ = drawn(0)
    for loss in LOSSES.values():
        with pytest.raises(ConfigError, match="batch or image, got 'mean'"):
            loss(logits, target, reduction="mean")
    for gamma in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="gamma"):
            focal(logits, target, gamma=gamma)
