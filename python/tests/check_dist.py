"""Checks a folder with a wheel and a source distribution: names, tags and contents agree."""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path


def check_wheel(path: Path) -> None:
    name, version, python, abi, platform = path.stem.split("-")
    assert (name, python, abi) == ("tracecodec", "cp310", "abi3"), path.name
    with zipfile.ZipFile(path) as wheel:
        files = wheel.namelist()
        about = f"tracecodec-{version}.dist-info"
        tags = {
            line.removeprefix("Tag: ")
            for line in wheel.read(f"{about}/WHEEL").decode().splitlines()
            if line.startswith("Tag: ")
        }
        metadata = wheel.read(f"{about}/METADATA").decode()
    assert tags == {f"{python}-{abi}-{one}" for one in platform.split(".")}, tags
    libraries = [file for file in files if file.endswith((".so", ".pyd", ".dylib"))]
    assert libraries == ["tracecodec/_native.abi3.so"], libraries
    assert {"tracecodec/py.typed", "tracecodec/_native.pyi"} <= set(files)
    assert sum("/licenses/LICENSE-" in file for file in files) == 2, files
    assert "Requires-Python: >=3.10" in metadata
    assert not any("tests" in file for file in files)


def check_sdist(path: Path) -> None:
    with tarfile.open(path) as sdist:
        files = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    needed = {"PKG-INFO", "pyproject.toml", "Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE"}
    assert needed <= files, needed - files
    assert any(file.endswith("crates/tracecodec/src/lib.rs") for file in files)


folder = Path(sys.argv[1])
(wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
check_wheel(wheel)
check_sdist(sdist)
print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB; {sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB")
