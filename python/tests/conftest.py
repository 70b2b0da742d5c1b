"""Every test, and every example of the documentation, runs in a folder of its own that holds
`example.pcap`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy(ROOT / "data/example.pcap", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def long_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture that takes seconds to work on: the example, many times."""
    example = (ROOT / "data/example.pcap").read_bytes()
    path = tmp_path_factory.mktemp("long") / "long.pcap"
    with path.open("wb") as file:
        file.write(example[:24])
        for _ in range(200):
            file.write(example[24:])
    return path
