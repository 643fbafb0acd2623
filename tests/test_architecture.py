"""What the layout promises: small files and functions, and imports that stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for package in ("segcore", "geoseg", "cellseg", "cli/segcli") for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
GDAL = ("rasterio", "fiona", "geopandas", "pyogrio", "shapely", "pyproj")


def name(path):
    return path.relative_to(ROOT).as_posix()


def functions(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def body_lines(function):
    """Lines of a function below its signature and docstring."""
    first, last = function.body[0], function.body[-1]
    start = first.lineno
    if ast.get_docstring(function) is not None:
        start = function.body[1].lineno if len(function.body) > 1 else last.end_lineno + 1
    return last.end_lineno - start + 1


def test_body_lines_leave_out_signature_and_docstring():
    text = 'def f(\n    a,\n):\n    """Doc.\n\n    More.\n    """\n    b = a\n\n    return b\n'
    assert body_lines(ast.parse(text).body[0]) == 3
    assert body_lines(ast.parse('def f():\n    """Doc."""\n').body[0]) == 0


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=name)
def test_files_have_at_most_300_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_function_bodies_have_at_most_40_lines(path):
    assert [(function.name, body_lines(function)) for function in functions(path) if body_lines(function) > 40] == []


def test_the_median_function_body_is_under_10_lines():
    lengths = sorted(body_lines(function) for path in SOURCES for function in functions(path))
    assert lengths[len(lengths) // 2] < 10


def test_no_drawer_for_odds_and_ends():
    assert [name(path) for path in SOURCES if {"utils", "util", "helpers", "common", "misc"} & {path.stem, path.parent.name}] == []


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["segcore", "geoseg", "cellseg", "segcli"])
def test_importing_a_package_is_light(package):
    done = python(f"import sys, {package}; print([name for name in ('torch', 'numpy', 'rasterio') if name in sys.modules])")
    assert done.stdout == "[]\n", done.stderr


def test_engine_and_cells_import_where_gdal_is_missing():
    modules = [name(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in SOURCES]
    wanted = [module for module in modules if module.split(".")[0] in ("segcore", "cellseg")]
    code = f"""
import importlib, sys
sys.modules.update(dict.fromkeys({GDAL}))
for module in {wanted}:
    importlib.import_module(module)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_every_package_is_typed():
    assert [package for package in ("segcore", "geoseg", "cellseg", "cli/segcli") if not (ROOT / package / "py.typed").exists()] == []
