//! `experiment` and `trace`: stopped, started again, changed beneath, followed back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::*;

/// A budget at which every kind of step runs within seconds.
const TINY: &str = "
preset = 'quick'
[data]
day = 'day.pcap.zst'
[shard]
packets = 500
first = 6000
[codec]
steps = 30
[ablations]
no-fine-timing = false
no-tcp-state = false
[baselines]
tvae = 20
tabsyn-vae = 0
goggle = 0
ttvae = 0
[interface]
steps = 3
prefix = 64
suffix = 64
stride = 64
cases = 2
";

fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    let day = folder.path().join("day.pcap.zst");
    fs::copy(data("train/enterprise.pcap.zst"), day).unwrap();
    folder
}

#[test]
fn test_what_cannot_be_meant_is_refused() {
    let folder = folder();
    for (line, told) in [
        (
            "experiment --capture a=day.pcap.zst --capture a=tiny.toml -o out --dry-run",
            "another capture is a",
        ),
        (
            "experiment tiny.toml -o out --dry-run --only oracel",
            "no step has \"oracel\"",
        ),
        ("trace nowhere table row column", "nowhere: no report"),
    ] {
        let output = run(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(message.contains(told), "{line}: {message}");
    }
}

/// The report without its times.
fn report(folder: &TempDir, name: &str) -> [String; 3] {
    let read = |file: &str| fs::read_to_string(folder.path().join(name).join(file)).unwrap();
    let page = read("report.html");
    let (before, rest) = page
        .split_once("<section id=\"experiment-speed\">")
        .unwrap();
    let (_, after) = rest.split_once("</section>").unwrap();
    let tables = read("tables.md");
    let tables = tables.split("### Table S.").next().unwrap().to_string();
    [read("report.json"), tables, format!("{before}{after}")]
}

fn steps(output: &Output, state: &str) -> usize {
    let steps = json(output)["steps"].as_array().unwrap().clone();
    steps.iter().filter(|step| step["state"] == state).count()
}

#[test]
fn test_an_experiment_killed_anywhere_gives_the_same_report() {
    let folder = folder();
    let whole = succeed(&folder, "experiment tiny.toml -o whole --json");
    assert_eq!(
        steps(&whole, "ran"),
        json(&whole)["steps"].as_array().unwrap().len()
    );
    let expected = report(&folder, "whole");
    for table in [
        "Table 3", "Table 4", "Table 5", "Table 6", "Table 9", "Table H", "Table P", "Table R",
        "Table U",
    ] {
        assert!(expected[1].contains(table), "{table}");
    }
    let mut was_killed = 0;
    for round in 1..=10 {
        let mut child = tracecodec()
            .current_dir(&folder)
            .args("experiment tiny.toml -o killed".split(' '))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Times without a pattern, so that kills meet different steps.
        sleep(Duration::from_millis(150 + 397 * round % 1100));
        child.kill().unwrap();
        was_killed += usize::from(!child.wait().unwrap().success());
    }
    assert!(was_killed > 0);
    succeed(&folder, "experiment tiny.toml -o killed");
    assert!(report(&folder, "killed") == expected);
    let again = succeed(&folder, "experiment tiny.toml -o whole --jobs 2 --json");
    assert_eq!(steps(&again, "ran"), 0);
    assert!(report(&folder, "whole") == expected);
}

#[test]
fn test_a_plan_writes_nothing_and_only_some_steps_run() {
    let folder = folder();
    let plan = succeed(&folder, "experiment tiny.toml -o out --dry-run");
    let text = String::from_utf8(plan.stdout).unwrap();
    assert!(
        text.contains("day/tvae/seed-0/train") && text.contains("about"),
        "{text}"
    );
    assert!(!folder.path().join("out").exists());
    let ran = succeed(
        &folder,
        "experiment tiny.toml -o out --only oracle/evaluate --json",
    );
    // The shards, and two oracles: there and back, and evaluated.
    assert_eq!(steps(&ran, "ran"), 5);
    assert!(report(&folder, "out")[1].contains("| Oracle | 0.00 |"));
}

#[test]
fn test_numbers_are_traced_and_files_that_changed_are_found() {
    let folder = folder();
    succeed(
        &folder,
        "experiment tiny.toml -o out --only oracle/evaluate",
    );
    let unknown = run(&folder, "trace out Table-7 Oracle Count");
    assert_eq!(unknown.status.code(), Some(2), "no table of that name");
    let elsewhere = told(&run(&folder, "trace . Table-3 Oracle Count"));
    assert!(
        elsewhere.contains("no report of an experiment"),
        "{elsewhere}"
    );
    let find = |extra: &[&str]| {
        let mut command = tracecodec();
        command.current_dir(&folder);
        command.args(["trace", "out", "Table 3", "Oracle", "count"]);
        command.args(extra).output().unwrap()
    };
    let good = find(&["--verify"]);
    let text = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(good.status.success(), "{text}");
    for part in [
        "metrics.count_pct of day/oracle/evaluate",
        "day/shard",
        "day.pcap.zst",
        "what it was",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let json = json(&find(&["--json"]));
    let evaluation = json["steps"][0]["folder"].as_str().unwrap();
    let evaluation = folder.path().join(evaluation).join("evaluation.json");
    let changed = fs::read_to_string(&evaluation).unwrap().replace('1', "2");
    fs::write(&evaluation, changed).unwrap();
    let bad = find(&["--verify"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&bad.stdout).contains("evaluation.json"));
}

#[test]
fn test_a_changed_capture_is_noticed_and_a_failed_step_holds_up_no_other() {
    let folder = folder();
    succeed(
        &folder,
        "experiment tiny.toml -o out --only oracle/evaluate",
    );
    succeed(
        &folder,
        "roundtrip day.pcap.zst other.pcap.zst --oracle --first 6500",
    );
    fs::copy(
        folder.path().join("other.pcap.zst"),
        folder.path().join("day.pcap.zst"),
    )
    .unwrap();
    let line = "experiment tiny.toml -o out --only oracle,interface --set interface.prefix=5000";
    let failed = run(&folder, line);
    assert_eq!(failed.status.code(), Some(2));
    let told = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(told.contains("day.pcap.zst has changed"), "{told}");
    assert!(
        told.contains("interface/continuation/seed-0 failed"),
        "{told}"
    );
    assert!(told.contains("log.txt"), "{told}");
    assert!(report(&folder, "out")[1].contains("| Oracle | 0.00 |"));
}

#[test]
fn test_two_experiments_in_one_folder_are_refused() {
    let folder = folder();
    let mut first = tracecodec()
        .current_dir(&folder)
        .args("experiment tiny.toml -o out".split(' '))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !folder.path().join("out/experiment.json").exists() {
        assert!(began.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(5));
    }
    let second = run(&folder, "experiment tiny.toml -o out");
    let still_ran = first.try_wait().unwrap().is_none();
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(still_ran, "the first was too short to be met");
    assert_eq!(second.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another experiment runs"));
    let foreign = run(&folder, "experiment tiny.toml -o .");
    assert_eq!(
        foreign.status.code(),
        Some(2),
        "a folder that holds something else"
    );
}

#[test]
fn test_slips_of_the_pen_are_told() {
    let folder = folder();
    let words = [
        ("--set codec.step=1", "did you mean \"steps\"?"),
        ("--preset quik", "quick"),
        ("--set seeds=[]", "cannot be empty"),
    ];
    for (option, part) in words {
        let output = run(&folder, &format!("experiment tiny.toml -o out {option}"));
        assert_eq!(output.status.code(), Some(2), "{option}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(part), "{option}: {told}");
    }
    let printed = succeed(&folder, "experiment --preset laptop --print");
    assert!(
        String::from_utf8(printed.stdout)
            .unwrap()
            .contains("[baselines]")
    );
}
