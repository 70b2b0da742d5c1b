#!/usr/bin/env bash
# Builds wheel and source distribution of the Python package, checks them, installs each in a fresh
# environment, and runs the package's tests there: the wheel on the oldest and the newest Python that
# the machine has, the source distribution on the newest. Installs PyTorch for the wheel on the newest
# Python, too (5 GB); with WITHOUT_TORCH=1 the tests that need it say that they skip.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target} PYTHONDONTWRITEBYTECODE=1
work=$CARGO_TARGET_DIR/python
export PIP_DISABLE_PIP_VERSION_CHECK=1

# Interpreters of Python 3.10 and newer, the oldest first.
interpreters() {
    local version candidate
    for version in 10 11 12 13 14 15 16; do
        for candidate in "python3.$version" "$HOME"/.pyenv/versions/3."$version".*/bin/python; do
            if "$candidate" -c "import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, $version))" 2>/dev/null; then
                command -v "$candidate"
                break
            fi
        done
    done
}
mapfile -t pythons < <(interpreters)
if [ ${#pythons[@]} = 0 ]; then
    echo 'error: no Python 3.10 or newer with venv (Debian: python3-venv)' >&2
    exit 2
fi
oldest=${pythons[0]} newest=${pythons[-1]}

echo "-- wheel and source distribution ($("$newest" --version))"
rm -rf "$work/dist" "$work"/installed-*
[ -d "$work/tools" ] || "$newest" -m venv "$work/tools"
"$work/tools/bin/pip" install -q 'maturin>=1.9.4,<2' mypy numpy
VIRTUAL_ENV=$work/tools "$work/tools/bin/maturin" build --manifest-path python/Cargo.toml --out "$work/dist"
"$work/tools/bin/maturin" sdist --manifest-path python/Cargo.toml --out "$work/dist"
"$newest" python/tests/check_dist.py "$work/dist"

# Installs a distribution on an interpreter, and runs the tests against it.
try() {
    local python=$1 distribution=$2 extras=$3 environment
    environment=$work/installed-$(basename "$distribution")-$("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")')
    echo "-- $(basename "$distribution") on $("$python" --version)"
    "$python" -m venv "$environment"
    "$environment/bin/pip" install -q "$distribution[$extras]"
    (cd python/tests && "$environment/bin/python" -m pytest -q -rs -c ../pyproject.toml .)
}
wheel=$(echo "$work"/dist/*.whl)
[ "$oldest" = "$newest" ] || try "$oldest" "$wheel" test
torch=$([ -n "${WITHOUT_TORCH:-}" ] || echo ,torch)
try "$newest" "$wheel" "test,ray,notebooks$torch"
try "$newest" "$(echo "$work"/dist/*.tar.gz)" test

echo '-- types'
"$work/tools/bin/pip" install -q --force-reinstall --no-deps "$work"/dist/*.whl
(cd python && "$work/tools/bin/mypy" --python-executable "$work/tools/bin/python" package/tracecodec)
(cd python && "$work/tools/bin/python" -m mypy.stubtest tracecodec._native)
rm -rf "$work"/installed-*
