"""Where REQUIRE_ORACLES=1, a test that skips because a package is missing fails instead."""

import os
from collections.abc import Iterator

import pytest

REQUIRED = os.environ.get("REQUIRE_ORACLES") == "1"


def _missing(report: pytest.TestReport | pytest.CollectReport) -> bool:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return report.skipped and ("could not import" in reason or "oracle" in reason)


def _demand(report: pytest.TestReport | pytest.CollectReport) -> None:
    if REQUIRED and _missing(report):
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ORACLES=1 forbids this skip: {report.longrepr[2]}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    _demand(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _demand(report)
    return report
