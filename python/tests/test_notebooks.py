"""Every notebook runs from its first to its last cell, and keeps the outputs of such a run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "python/notebooks").glob("*.ipynb"))
PAGES = ROOT / "docs/notebooks"
# What a notebook cannot run without, beside matplotlib, pandas and pyarrow.
NEEDS = {"own_generator": ["torch"]}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_raises(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    for module in ["ipykernel", "matplotlib", "pandas", "pyarrow", *NEEDS.get(path.stem, [])]:
        pytest.importorskip(module)
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_page_shows_the_notebook(path: Path) -> None:
    """Each notebook has a page in the docs, which ``UPDATE_DOCS=1`` writes."""
    nbconvert = pytest.importorskip("nbconvert")
    from traitlets.config import Config

    # Tables as text: pages of Markdown show no styles.
    kinds = {"display_data_priority": ["image/png", "text/markdown", "text/plain"]}
    exporter = nbconvert.MarkdownExporter(config=Config({"NbConvertBase": kinds}))
    resources = {"unique_key": path.stem, "output_files_dir": path.stem}
    text, resources = exporter.from_filename(str(path), resources)
    text = re.sub(r"[ \t]+$", "", text, flags=re.M).strip() + "\n"
    text = re.sub(r"\n{3,}", "\n\n", text)
    files: dict[str, bytes] = {f"{path.stem}.md": text.encode(), **resources["outputs"]}
    for name, content in files.items():
        page = PAGES / name
        if os.environ.get("UPDATE_DOCS"):
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_bytes(content)
        assert page.read_bytes() == content, f"{page}: not as the notebook; UPDATE_DOCS=1 writes it"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_kept(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs: list[dict[str, Any]] = [output for cell in code for output in cell["outputs"]]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    for output in outputs:
        assert output["output_type"] != "error" and output.get("name") != "stderr"
        text = json.dumps({key: value for key, value in output.get("data", {}).items() if key != "image/png"})
        text += json.dumps(output.get("text", ""))
        assert not re.search(r"/tmp/|/home/|/root/|/Users/|site-packages", text)
