"""The scripts use results again only if settings, inputs and program are the same. A small program
stands in for `tracecodec`: it logs its arguments and prints made-up figures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent
METRICS = "tcp_event_pp count_pct proto_pct iat_paper_pct iat_log_pct flow_count_pct flow_duration_paper_pct"

PROGRAM = r'''#!{python}
import json, sys
from pathlib import Path

words = sys.argv[1:]
with open("{log}", "a") as log:
    log.write(" ".join(words) + "\n")
after = lambda *flags: next(Path(words[words.index(flag) + 1]) for flag in flags if flag in words)
if words[0] == "shard":
    content = Path(words[-1]).read_text()
    if content == "damaged":
        sys.exit("error: damaged")
    (after("-o") / "test").mkdir(parents=True)
    (after("-o") / "test" / "shard").write_text(content)
elif "train" in words:
    after("--output").mkdir(parents=True)
    (after("--output") / "weights").write_text(after("--seed").name)
    print(json.dumps(dict(steps=5, packets_per_second=1, rows_per_second=1)))
elif "--json" in words:
    Path(words[-2]).mkdir()
    print(json.dumps(dict(captures=[dict(actions=len((Path(words[-3]) / "shard").read_text()), rows=1)])))
elif words[0] == "evaluate":
    metrics = dict.fromkeys("{metrics}".split(), 0.5)
    evaluation = dict(label=str(after("--label")), dataset=str(after("--dataset")), metrics=metrics)
    after("--output").write_text(json.dumps(evaluation))
elif words[0] == "report":
    evaluations = [json.loads(Path(word).read_text()) for word in words[1:-2]]
    labels = [(evaluation["dataset"], evaluation["label"]) for evaluation in evaluations]
    if len(set(labels)) < len(labels):
        sys.exit("error: labels are alike")
    Path(words[-1]).write_text("\n".join(f"{{dataset}}: {{label}}" for dataset, label in labels))
'''


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


class Lab:
    """A folder with a capture, a program and the results of scripts."""

    def __init__(self, folder):
        self.log = folder / "log"
        self.program = folder / "tracecodec"
        self.install("")
        self.capture = folder / "capture"
        self.capture.write_text("ten bytes.")
        self.out = folder / "out"

    def install(self, more):
        self.program.write_text(PROGRAM.format(python=sys.executable, log=self.log, metrics=METRICS) + more)
        self.program.chmod(0o755)

    def run(self, script, *words):
        """The finished script, and the verbs that it ran, `report` aside."""
        self.log.write_text("")
        words = [sys.executable, SCRIPTS / script, self.out, "--data", f"mine={self.capture}", *words]
        done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "TRACECODEC": str(self.program)})
        verbs = [line.split()[0] for line in self.log.read_text().splitlines()]
        return done, [verb for verb in verbs if verb != "report"]


ALL = ["shard", "roundtrip", "evaluate", "train", *["roundtrip", "evaluate"] * 2]


def test_nothing_changed_nothing_is_computed(lab):
    first, verbs = lab.run("fidelity.py", "--seeds", "0")
    assert (first.returncode, verbs) == (0, ALL), first.stderr
    again, verbs = lab.run("fidelity.py", "--seeds", "0")
    assert (again.returncode, verbs) == (0, [])
    assert again.stdout == first.stdout
    assert "### mine: 10 packets" in first.stdout


def test_another_capture_under_the_same_name_gives_its_own_results(lab):
    lab.run("fidelity.py", "--seeds", "0")
    lab.capture.write_text("eleven bytes")
    done, verbs = lab.run("fidelity.py", "--seeds", "0")
    assert "### mine: 12 packets" in done.stdout
    assert verbs == ALL
    # The results of the first capture are still there.
    lab.capture.write_text("ten bytes.")
    done, verbs = lab.run("fidelity.py", "--seeds", "0")
    assert ("### mine: 10 packets" in done.stdout, verbs) == (True, [])


def test_the_same_capture_elsewhere_is_the_same_input(lab):
    lab.run("fidelity.py", "--seeds", "0")
    lab.capture = lab.capture.rename(lab.capture.with_name("moved"))
    assert lab.run("fidelity.py", "--seeds", "0")[1] == []


def test_another_setting_trains_anew(lab):
    lab.run("fidelity.py", "--seeds", "0", "--steps", "5")
    assert lab.run("fidelity.py", "--seeds", "0", "--steps", "6")[1] == ALL[3:]
    assert lab.run("fidelity.py", "--seeds", "0,1", "--steps", "6")[1] == ALL[3:]


def test_another_program_computes_everything_anew(lab):
    lab.run("fidelity.py", "--seeds", "0")
    lab.install("# rebuilt\n")
    assert lab.run("fidelity.py", "--seeds", "0")[1] == ALL


def test_a_step_that_was_interrupted_is_computed_again(lab):
    lab.run("fidelity.py", "--seeds", "0")
    (manifest,) = lab.out.glob("oracle/mine/*/step.json")
    words = json.loads(manifest.read_text())["words"]
    assert words[-3:] == ["evaluate", "mine", "oracle"]
    manifest.unlink()
    assert lab.run("fidelity.py", "--seeds", "0")[1] == ["roundtrip", "evaluate"]


@pytest.mark.parametrize("script", ["fidelity.py", "baselines.py"])
def test_report_takes_all_evaluations_side_by_side(lab, script):
    done, _ = lab.run(script, "--seeds", "0,1")
    assert done.returncode == 0, done.stderr
    page = (lab.out / script).with_suffix(".html").read_text().splitlines()
    assert page[0] == "mine: oracle"
    assert all(line.startswith("mine: ") for line in page)
    assert any(line.startswith("mine: codec default, means") and "seed 1" in line for line in page)


@pytest.mark.parametrize(
    ("script", "words", "message"),
    [
        ("fidelity.py", ["--data", "mine"], "'mine' is not NAME=CAPTURE"),
        ("fidelity.py", ["--configs", "none"], "configs/none.json"),
        ("baselines.py", ["--models", "none"], "no model none: there are tvae, "),
    ],
)
def test_an_error_is_a_line(lab, script, words, message):
    done, _ = lab.run(script, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_the_failure_of_the_program_is_that_of_the_script(lab):
    lab.capture.write_text("damaged")
    done, _ = lab.run("fidelity.py")
    assert done.returncode == 2
    assert done.stderr.startswith("error: damaged\nerror: tracecodec shard ")
    assert "Traceback" not in done.stderr
