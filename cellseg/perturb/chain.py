"""The usual perturbations in their usual order."""

from __future__ import annotations

from cellseg.perturb.bias import Bias, Unit
from cellseg.perturb.compose import Compose
from cellseg.perturb.inclusion import Inclusion
from cellseg.perturb.omission import Omission
from cellseg.perturb.perturbation import Perturbation
from segcore.errors import ConfigError


def chain(
    *,
    omission: float | None = None,
    inclusion: float | None = None,
    bias: int | None = None,
    unit: Unit = "cell",
    target: str | None = None,
) -> Compose:
    """Omission of the target's objects, then inclusion of others into it, then bias on all that are of the target by now.

    Args:
        omission: rate of Omission; None = without.
        inclusion: rate of Inclusion, which needs a target.
        bias: q_max of Bias.
        unit: what shares one draw of Bias.
        target: class of the annotation; None = objects of all classes.

    Raises:
        ConfigError: nothing is asked for, inclusion has no target, or a number is out of range.
    """
    parts: list[Perturbation] = []
    if omission is not None:
        parts.append(Omission(omission, target=target))
    if inclusion is not None:
        if target is None:
            raise ConfigError("inclusion takes objects of other classes for the target; no target was named. Pass --target CLASS.")
        parts.append(Inclusion(inclusion, target))
    if bias is not None:
        parts.append(Bias(bias, unit=unit, target=target))
    if not parts:
        raise ConfigError("a perturbation is an omission, an inclusion, a bias or several; got none. Pass --omission 0.3 or the like.")
    return Compose(parts)
