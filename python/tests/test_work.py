"""What is common to all verbs: inputs, errors, progress, Ctrl-C, threads, settings."""

from __future__ import annotations

import gc
import io
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import typing
import warnings
from pathlib import Path

import pytest

import tracecodec as tc
from tracecodec import _native, _settings

EXAMPLE = "example.pcap"


def test_captures_are_paths_bytes_or_files() -> None:
    expected = tc.inspect(EXAMPLE)
    content = Path(EXAMPLE).read_bytes()
    with open(EXAMPLE, "rb") as file:
        given = [Path(EXAMPLE), content, bytearray(content), memoryview(content), file]
        given.append(io.BytesIO(content))
        for capture in given:
            found = tc.inspect(capture)
            found["file"] = expected["file"]
            assert found == expected
    assert len(tc.lift([content, EXAMPLE])) == 8000
    for bad in (3, None, "x".encode):
        with pytest.raises(TypeError, match="a capture is a path, bytes or a binary file"):
            tc.inspect(bad)  # type: ignore[arg-type]


def test_no_files_are_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    content = Path(EXAMPLE).read_bytes()
    latents = tc.encode(content)
    tc.decode(latents.mu, "x.pcap", like=latents)
    del latents
    gc.collect()
    assert list(temporary.iterdir()) == []


def test_errors_say_where_and_what_to_try() -> None:
    Path("cut.pcap").write_bytes(Path(EXAMPLE).read_bytes()[:10_000])
    with pytest.raises(tc.CaptureError) as caught:
        tc.lift("cut.pcap")
    error = caught.value
    assert (error.path, error.packet, error.offset) == ("cut.pcap", 86, 9968)
    assert "`lenient`" in (error.hint or "")
    assert isinstance(error, ValueError)
    again = pickle.loads(pickle.dumps(error))
    assert (again.args, again.packet, again.hint) == (error.args, error.packet, error.hint)
    if sys.version_info >= (3, 11):
        assert error.__notes__ == [f"hint: {error.hint}"]
    with pytest.warns(tc.TraceCodecWarning, match="cut off"):
        assert len(tc.lift("cut.pcap", lenient=True)) == 85
    with pytest.warns(tc.TraceCodecWarning, match="cut off"):
        assert not tc.inspect("cut.pcap")["complete"]


def test_errors_are_built_in_ones_too() -> None:
    with pytest.raises(FileNotFoundError, match="nothing.pcap") as missing:
        tc.inspect("nothing.pcap")
    assert isinstance(missing.value, tc.TraceCodecError)
    Path("full").mkdir()
    Path("full/file").touch()
    with pytest.raises(FileExistsError):
        tc.shard(EXAMPLE, "full")
    with pytest.raises(ValueError, match='unknown setting "lenint"') as unknown:
        tc.lift(EXAMPLE, lenint=True)  # type: ignore[call-overload]
    assert unknown.value.hint == 'did you mean "lenient"?'
    with pytest.raises(ValueError, match="column 1 of the filter"):
        tc.inspect(EXAMPLE, filter="nonsense")
    with pytest.raises(tc.CaptureError):
        tc.inspect(b"this is no capture at all")
    with pytest.raises(OverflowError):
        tc.inspect(EXAMPLE, first=1 << 70)
    with pytest.raises(TypeError):
        tc.inspect(EXAMPLE, first=object())  # type: ignore[arg-type]


def test_warnings_can_be_errors() -> None:
    Path("cut.pcap").write_bytes(Path(EXAMPLE).read_bytes()[:10_000])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(tc.TraceCodecWarning):
            tc.lift("cut.pcap", "x.parquet", lenient=True)


def test_a_word_of_python_has_an_underscore() -> None:
    whole = tc.inspect(EXAMPLE)["packets_read"]
    assert 0 < tc.inspect(EXAMPLE, from_="+1")["packets_read"] < whole


def test_progress_is_called(long_capture: Path) -> None:
    reports: list[tuple[str, int, int | None, str]] = []
    tc.inspect(long_capture, progress=lambda *report: reports.append(report))
    assert reports
    stage, done, total, detail = reports[-1]
    assert "reading" in stage and total == long_capture.stat().st_size >= done > 0
    assert isinstance(detail, str)
    assert [report[1] for report in reports] == sorted(report[1] for report in reports)


def test_progress_is_drawn(capsys: pytest.CaptureFixture[str], long_capture: Path) -> None:
    tc.inspect(long_capture, progress=True)
    assert "%" in capsys.readouterr().err


def test_progress_stops_the_work(long_capture: Path, folder: Path) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(tc.Interrupted):
        tc.lift(long_capture, "x.parquet", progress=lambda *_: False)

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tc.lift(long_capture, "x.parquet", progress=fails)
    assert sorted(folder.iterdir()) == before


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
@pytest.mark.parametrize("call", ["lift(c, 'x.parquet')", "encode(c, 'x.safetensors')"])
def test_control_c_stops_within_a_second(call: str, long_capture: Path, folder: Path) -> None:
    before = sorted(folder.iterdir())
    program = f"import tracecodec as tc; c = [{str(long_capture)!r}] * 50\n"
    program += "print('begun', flush=True)\n"
    program += f"tc.{call.replace('encode(c', 'encode(c[0]')}"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, complaint = process.communicate(timeout=30)
    assert time.monotonic() - sent < 1.5
    assert "KeyboardInterrupt" in complaint and process.returncode != 0
    assert sorted(folder.iterdir()) == before


def test_the_interpreter_is_released(long_capture: Path) -> None:
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.wait(0.005):
            ticks += 1

    counter = threading.Thread(target=count)
    counter.start()
    tc.lift(long_capture)
    done.set()
    counter.join()
    assert ticks > 3


def test_verbs_run_on_several_threads() -> None:
    expected = tc.lift(EXAMPLE).manifest
    results: list[object] = [None] * 8

    def work(number: int) -> None:
        results[number] = tc.lift(EXAMPLE).manifest

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [expected] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_verbs_run_after_a_fork() -> None:
    expected = len(tc.encode(EXAMPLE))
    child = os.fork()
    if child == 0:
        os._exit(0 if len(tc.encode(EXAMPLE)) == expected else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_results_do_not_depend_on_threads() -> None:
    files = []
    for threads in (1, 3):
        tc.encode(EXAMPLE, "z.safetensors", threads=threads)
        tc.decode("z.safetensors", "z.pcap", threads=threads)
        files.append((Path("z.safetensors").read_bytes(), Path("z.pcap").read_bytes()))
    assert files[0] == files[1]
    with pytest.raises(tc.SettingError, match="0 `threads`"):
        tc.encode(EXAMPLE, threads=0)


VERBS = {
    verb: "".join(word.capitalize() for word in verb.replace("_", " ").split())
    for verb in tc.verbs()
}


@pytest.mark.parametrize("verb", VERBS)
def test_settings_are_those_of_the_library(verb: str) -> None:
    named = {
        # What functions take beside settings.
        "inputs", "input", "output", "like", "prefix", "shards", "data", "model", "later", "training",
        "held_out",
    }
    typed = {key.rstrip("_") for key in typing.get_type_hints(getattr(_settings, VERBS[verb]))}
    known = set(tc.settings(verb))
    assert known - named <= typed
    # What has no default that is stated is still known.
    for key in typed - known:
        with pytest.raises(Exception) as caught:
            _native.run(verb, {key: {"no": "such value"}}, None)
        assert "unknown setting" not in str(caught.value), key


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_a_function(verb: str) -> None:
    names = verb.split()
    function = tc
    for name in names:
        function = getattr(function, name)
    assert callable(function)
    text = function.__doc__
    assert text is not None and "Parameters\n" in text and "Returns\n" in text
