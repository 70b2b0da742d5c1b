"""Examples of docstrings and of the documentation's page give what they say."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import pytest

MODULES = ["", "._errors", "._objects", "._verbs", ".generator", ".baseline", ".ray"]
PAGE = Path(__file__).resolve().parents[2] / "docs/python.md"

EXAMPLES = [
    test
    for name in MODULES
    for test in doctest.DocTestFinder().find(importlib.import_module("tracecodec" + name))
    if test.examples
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
@pytest.mark.filterwarnings("ignore:not one packet")
def test_examples_of_docstrings(example: doctest.DocTest) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    runner = doctest.DocTestRunner(optionflags=flags)
    assert runner.run(example).failed == 0


def test_the_page() -> None:
    for module in ("pandas", "polars", "duckdb", "pyarrow", "torch"):
        pytest.importorskip(module)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    assert blocks
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), scope)
