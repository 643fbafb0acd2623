import subprocess
import sys
from types import ModuleType

import pytest

import cellseg
from cellseg._front import PUBLIC

HEAVY = ("torch", "numpy", "scipy", "skimage", "pandas", "matplotlib", "tifffile", "zarr")


def python(*lines):
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_loads_nothing_heavy():
    assert python("import cellseg, sys", f"print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_the_common_names_load_neither_torch_nor_skimage_nor_pandas():
    names = "cellseg.open_dataset, cellseg.CellImage, cellseg.perturb, cellseg.Omission, cellseg.evaluate, cellseg.simulate"
    late = ("torch", "skimage", "pandas", "matplotlib", "rasterio")
    assert python("import cellseg, sys", names, f"print([name for name in {late} if name in sys.modules])") == "[]"


def test_all_lists_the_public_names():
    assert sorted(cellseg.__all__) == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(cellseg))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_no_module(name):
    assert not isinstance(getattr(cellseg, name), ModuleType)


@pytest.mark.parametrize("order", [("import cellseg.evaluate", "import cellseg.perturb"), ("cellseg.evaluate", "cellseg.perturb")])
def test_a_function_keeps_its_name_whatever_is_imported_first(order):
    lines = ("from cellseg.evaluate import THRESHOLDS", "from cellseg.perturb import Bias")
    for imports in ((*order, *lines), (*lines, *order)):
        assert python("import cellseg", *imports, "print(cellseg.evaluate.__name__, cellseg.perturb.__name__)") == "evaluate perturb"


def test_other_modules_and_values_can_be_set_as_anywhere():
    assert python("import cellseg.image", "cellseg.own = 1", "print(cellseg.image.__name__, cellseg.own)") == "cellseg.image 1"


def test_a_public_name_can_be_replaced_by_hand():
    assert python("import cellseg", "cellseg.evaluate = len", "print(cellseg.evaluate('ab'))") == "2"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'cellseg' has no attribute 'segment'"):
        cellseg.segment  # noqa: B018
