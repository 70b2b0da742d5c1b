//! Evaluations, and the report of them.

use super::*;

/// A capture with every third packet of the example left out.
fn thinned(folder: &TempDir, name: &str) {
    let example = fs::read(data("example.pcap")).unwrap();
    let (mut thinned, mut at, mut number) = (example[..24].to_vec(), 24, 0);
    while at < example.len() {
        let captured = u32::from_le_bytes(example[at + 8..at + 12].try_into().unwrap()) as usize;
        let end = at + 16 + captured;
        if number % 3 != 0 {
            thinned.extend(&example[at..end]);
        }
        (at, number) = (end, number + 1);
    }
    fs::write(folder.path().join(name), thinned).unwrap();
}

#[test]
fn test_evaluate() {
    let folder = TempDir::new().unwrap();
    thinned(&folder, "thinned.pcap");
    insta::assert_snapshot!(told(&run(&folder, "evaluate example.pcap thinned.pcap")));
}

#[test]
fn test_classify() {
    let folder = TempDir::new().unwrap();
    let line = "classify example.pcap example.pcap --later example.pcap --training example.pcap";
    let table = told(&succeed(&folder, line));
    let rows = |name: &str| table.lines().filter(|row| row.starts_with(name)).count();
    assert!(table.contains("real              generated                  later"));
    assert!(table.contains("0.500 (0.500 to 0.500)"), "{table}");
    let names = ["sessions", "AUC", "  gap_", "density", "coverage", "copies"];
    assert!(names.into_iter().all(|name| rows(name) > 0), "{table}");
    let outcome = json(&succeed(
        &folder,
        "classify example.pcap example.pcap --json",
    ));
    let test = &outcome["generated"]["two_sample"];
    assert_eq!(test["auc"]["value"], 0.5);
    assert_eq!(test["features"].as_array().unwrap().len(), 34);
    assert!(outcome.get("later").is_none() && outcome.get("real_copied").is_none());
    let few = told(&run(
        &folder,
        "classify example.pcap example.pcap --first 9",
    ));
    assert!(
        few.starts_with("exit 2") && few.contains("hint: a capture of 20 sessions"),
        "{few}"
    );
}

#[test]
fn test_evaluate_the_oracle() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "roundtrip --oracle example.pcap out.pcapng.gz");
    let line = "evaluate example.pcap out.pcapng.gz --json --label oracle -o e.json";
    let mut evaluation = json(&succeed(&folder, line));
    let written = fs::read(folder.path().join("e.json")).unwrap();
    assert_eq!(
        evaluation,
        serde_json::from_slice::<serde_json::Value>(&written).unwrap()
    );
    assert_eq!(evaluation["label"], "oracle");
    assert_eq!(evaluation["dataset"], "example");
    // Every flow has endpoints of its own.
    let [reference, decoded] =
        ["reference", "decoded"].map(|side| evaluation[side]["hosts"].take());
    assert!(reference["hosts"].as_u64() < decoded["hosts"].as_u64());
    assert_eq!(evaluation["reference"], evaluation["decoded"]);
    for (key, value) in evaluation["metrics"].as_object().unwrap() {
        if key.ends_with("_pp") || key.ends_with("_tv") {
            assert_eq!(value, 0.0, "{key}");
        }
    }
}

#[test]
fn test_both_analysers_give_one_evaluation() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: no tshark");
        return;
    }
    let folder = TempDir::new().unwrap();
    thinned(&folder, "thinned.pcap");
    let line = "evaluate --json example.pcap thinned.pcap --analyzer";
    let mut native = json(&succeed(&folder, &format!("{line} native")));
    let mut tshark = json(&succeed(&folder, &format!("{line} tshark")));
    assert_eq!(native["analyzer"].take(), "native");
    assert!(
        tshark["analyzer"]
            .take()
            .as_str()
            .unwrap()
            .contains("Shark")
    );
    assert_eq!(native, tshark);
    assert_ne!(native["metrics"]["tcp_event_pp"], 0.0);
}

#[test]
fn test_folders_merge_to_the_same_in_any_parts() {
    let folder = TempDir::new().unwrap();
    thinned(&folder, "thinned.pcap");
    for part in ["a", "b"] {
        fs::create_dir_all(folder.path().join(format!("reference/{part}"))).unwrap();
        fs::create_dir_all(folder.path().join(format!("decoded/{part}"))).unwrap();
    }
    let copy = |from: &str, to: &str| fs::copy(folder.path().join(from), folder.path().join(to));
    succeed(&folder, "roundtrip --oracle example.pcap out.pcap.zst");
    copy("example.pcap", "reference/a/1.pcap").unwrap();
    copy("thinned.pcap", "reference/b/2.pcap").unwrap();
    copy("thinned.pcap", "decoded/a/1.pcap").unwrap();
    copy("out.pcap.zst", "decoded/b/2.pcap.zst").unwrap();
    // Not a capture.
    fs::write(folder.path().join("reference/manifest.json"), "{}").unwrap();

    let whole = json(&succeed(&folder, "evaluate reference decoded --json"));
    succeed(&folder, "evaluate reference/a decoded/a -o a.json");
    succeed(&folder, "evaluate reference/b decoded/b -o b.json");
    let mut merged = json(&succeed(
        &folder,
        "merge b.json a.json --label decoded --dataset reference --json",
    ));
    assert_eq!(whole["reference"]["captures"], 2);
    assert_eq!(whole["cases"][0]["name"], "a/1");
    // Within their own folders the names are shorter.
    assert_eq!(merged["cases"][0]["name"], "1");
    merged["cases"][0]["name"] = "a/1".into();
    merged["cases"][1]["name"] = "b/2".into();
    assert_eq!(merged, whole);

    fs::remove_file(folder.path().join("decoded/b/2.pcap.zst")).unwrap();
    fs::write(folder.path().join("text.json"), "Dear diary").unwrap();
    fs::create_dir(folder.path().join("twins")).unwrap();
    copy("example.pcap", "twins/1.pcap").unwrap();
    copy("example.pcap", "twins/1.cap").unwrap();
    let bad = [
        "evaluate reference decoded",
        "evaluate reference twins",
        "evaluate reference reference -o reference/a/1.pcap",
        "evaluate example.pcap example.pcap -o ./example.pcap",
        "evaluate example.pcap example.pcap -o nowhere/e.json",
        "evaluate - -",
        "merge a.json b.json -o b.json",
        "merge a.json a.json",
        "merge example.pcap",
        "evaluate decoded reference",
        "evaluate example.pcap decoded",
        "merge a.json text.json",
    ];
    let told: Vec<_> = bad.map(|line| told(&run(&folder, line))).into();
    insta::assert_snapshot!(told.join("\n"));
}

/// Two evaluations of the example: of what the Oracle makes, and of the example against itself, in
/// the folder.
fn evaluations(folder: &TempDir) {
    succeed(folder, "roundtrip --oracle example.pcap oracle.pcap");
    succeed(
        folder,
        "evaluate example.pcap oracle.pcap --label Oracle -o a.json",
    );
    succeed(
        folder,
        "evaluate example.pcap example.pcap --label a_b&c -o b.json",
    );
}

#[test]
fn test_report() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let made = run(
        &folder,
        "report a.json b.json -o page.html --svg svg --markdown tables.md --latex tables.tex",
    );
    assert_eq!(
        told(&made),
        "exit 0\n--\npage.html: 2 evaluations of 1 dataset, 6 figures\n"
    );
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let page = text("page.html");
    assert!(page.contains("a_b&amp;c") && !page.contains("{{"));
    insta::assert_snapshot!("report_markdown", text("tables.md"));
    insta::assert_snapshot!("report_latex", text("tables.tex"));
    let mut figures: Vec<_> = fs::read_dir(folder.path().join("svg"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    figures.sort();
    let names = ["-dynamics", "-e2-temporal", "-hosts"].into_iter();
    let names = names.chain(["3-protocol-state", "4-transitions", "5-interleaving"]);
    let each = names.flat_map(|name| ["pdf", "svg"].map(|end| format!("example-fig{name}.{end}")));
    assert_eq!(figures, each.collect::<Vec<_>>());
    // The same again, byte by byte.
    succeed(&folder, "report a.json b.json -o again.html");
    assert_eq!(page, text("again.html"));
}

#[test]
fn test_report_of_what_is_no_evaluation() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("cut.json", "{\"format\": \"tracecodec-evaluation\", \"ver");
    write(
        "other.json",
        "{\"format\": \"tracecodec-shards\", \"version\": 1}",
    );
    write(
        "later.json",
        "{\"format\": \"tracecodec-evaluation\", \"version\": 99}",
    );
    fs::write(folder.path().join("bytes.json"), [0xff, 0xfe]).unwrap();
    let lines = [
        "report cut.json -o page.html",
        "report other.json -o page.html",
        "report later.json -o page.html",
        "report a.json a.json -o page.html",
        "report a.json -o a.json",
        "report a.json -o - --json",
        "report a.json -o page.html --markdown page.html",
        "report a.json -o page.html.gz",
        "report a.json -o page.html --svg svg --latex nowhere/tables.tex",
        "report bytes.json -o page.html",
    ];
    let told: Vec<_> = lines.map(|line| told(&run(&folder, line))).into();
    insta::assert_snapshot!("report_bad_input", told.join("\n"));
    assert!(!folder.path().join("page.html").exists());
    assert!(!folder.path().join("svg").exists());
}

/// Folders of two trainings that never were, in the folder: `models/long` with twelve validations,
/// `models/a_b&c` with three.
fn trainings(folder: &TempDir) {
    for (name, validations) in [("models/long", 12), ("models/a_b&c", 3)] {
        let path = folder.path().join(name);
        fs::create_dir_all(&path).unwrap();
        let validation = |number: u32| {
            let rest = 0.5_f64.powi(number as i32);
            serde_json::json!({
                "step": 100 * number, "loss": 1.0 + 8.0 * rest, "fields": 8.0 * rest, "time": 0.01 * rest, "kl": 100.0 + 64.0 * rest,
                "accuracy": 1.0 - 0.1 * rest, "exact": 1.0 - rest, "training_loss": 2.0 + 16.0 * rest,
            })
        };
        let lines = (1..=validations).map(|number| format!("{}\n", validation(number)));
        fs::write(path.join("history.jsonl"), lines.collect::<String>()).unwrap();
        let manifest = serde_json::json!({
            "format": "tracecodec.training", "version": 1, "tool": "tracecodec", "schema_version": 1,
            "codec": {}, "training": {"batch": 256}, "option_profiles": [], "training_packets": 90_000, "validation_packets": 10_000,
            "steps": 100 * validations, "best": validation(validations), "weights_blake3": "",
        });
        fs::write(path.join("manifest.json"), manifest.to_string()).unwrap();
    }
}

#[test]
fn test_report_of_trainings() {
    let folder = TempDir::new().unwrap();
    trainings(&folder);
    let line =
        "report --training models/long models/a_b&c/ -o page.html --svg svg --markdown tables.md";
    let made = run(&folder, line);
    assert_eq!(
        told(&made),
        "exit 0\n--\npage.html: 2 trainings, 1 figure\n"
    );
    let text = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let page = text("page.html");
    assert!(page.contains("<title>TraceCodec: Training</title>") && !page.contains("{{"));
    assert!(page.contains("models/a_b&amp;c: from 5 nats to 2 nats"));
    assert!(text("svg/training-learning-curves.svg").contains("models/a_b&amp;c"));
    insta::assert_snapshot!("report_of_trainings_markdown", text("tables.md"));
    // Behind evaluations, in a section of its own.
    evaluations(&folder);
    let line = "report a.json --training models/long -o both.html --json";
    let both = json(&succeed(&folder, line));
    assert_eq!(
        (&both["evaluations"], &both["trainings"]),
        (&1.into(), &1.into())
    );
    let page = text("both.html");
    assert!(page.find("<section id=\"example\">") < page.find("<section id=\"training\">"));
}

#[test]
fn test_report_of_what_is_no_training() {
    let folder = TempDir::new().unwrap();
    trainings(&folder);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    for name in ["empty", "unfinished", "cut", "other"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let copy = |file: &str, to: &str| {
        let models = folder.path().join("models/long");
        fs::copy(models.join(file), folder.path().join(to).join(file)).unwrap()
    };
    copy("history.jsonl", "unfinished");
    copy("history.jsonl", "other");
    copy("manifest.json", "cut");
    write(
        "other/manifest.json",
        "{\"format\": \"tracecodec-shards\", \"version\": 1}",
    );
    write("cut/history.jsonl", "{\"step\": 800, \"lo");
    let lines = [
        "example.pcap",
        "nowhere",
        "empty",
        "unfinished",
        "other",
        "cut",
        "models/long models/long/",
    ];
    let told: Vec<_> = lines
        .map(|line| {
            told(&run(
                &folder,
                &format!("report -o page.html --training {line}"),
            ))
        })
        .into();
    insta::assert_snapshot!("report_bad_training", told.join("\n"));
    assert!(!folder.path().join("page.html").exists());
}

#[test]
fn test_report_of_names_that_are_long_empty_or_command_terminals() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let text = fs::read(folder.path().join("b.json")).unwrap();
    let named = |file: &str, label: &str, dataset: &str| {
        let mut other: serde_json::Value = serde_json::from_slice(&text).unwrap();
        other["label"] = label.into();
        other["dataset"] = dataset.into();
        other["reference"]["bytes"] = label.len().into();
        fs::write(folder.path().join(file), other.to_string()).unwrap();
    };
    let long = "x".repeat(400);
    named("c.json", "one", &long);
    named("d.json", "other", &format!("{long}y"));
    named("e.json", "\u{1b}[31mred\nline", "");
    named("f.json", "", "");
    let made = succeed(
        &folder,
        "report c.json d.json e.json f.json -o page.html --svg svg --markdown t.md --latex t.tex",
    );
    assert!(told(&made).contains("warning: unnamed: unnamed was evaluated on another reference"));
    assert_eq!(fs::read_dir(folder.path().join("svg")).unwrap().count(), 36);
    let name = format!("svg/{}-2-fig4-transitions.svg", "x".repeat(60));
    assert!(folder.path().join(name).exists());
    for text in ["page.html", "t.md", "t.tex"] {
        let text = fs::read_to_string(folder.path().join(text)).unwrap();
        assert!(text.contains("\u{fffd}[31mred line") || text.contains("\u{fffd}\\[31mred line"));
        assert!(!text.contains('\u{1b}') && !told(&made).contains('\u{1b}'));
    }
}

#[test]
fn test_report_warns_of_other_references() {
    let folder = TempDir::new().unwrap();
    evaluations(&folder);
    let text = fs::read(folder.path().join("b.json")).unwrap();
    let mut other: serde_json::Value = serde_json::from_slice(&text).unwrap();
    other["label"] = "other".into();
    other["reference"]["bytes"] = 1.into();
    fs::write(folder.path().join("c.json"), other.to_string()).unwrap();
    let output = succeed(&folder, "report a.json c.json -o page.html");
    assert!(told(&output).contains("warning: example: other was evaluated on another reference"));
    let page = fs::read_to_string(folder.path().join("page.html")).unwrap();
    assert!(page.contains("<strong>Warning:</strong> other was evaluated"));
}

#[test]
fn test_audit() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "roundtrip --oracle example.pcap out.pcap");
    insta::assert_snapshot!(told(&run(&folder, "audit example.pcap out.pcap --link")));
    let copy = told(&run(&folder, "audit example.pcap example.pcap"));
    let nothing = run(&folder, "audit example.pcap out.pcap --first 0");
    assert_eq!(nothing.status.code(), Some(2));
    assert!(
        told(&nothing).contains("no packet was read"),
        "{}",
        told(&nothing)
    );
    assert!(
        copy.starts_with("exit 1") && copy.contains("BEYOND CHANCE"),
        "{copy}"
    );
    let refused = told(&run(
        &folder,
        "audit --model built-in example.pcap example.pcap",
    ));
    assert!(refused.starts_with("exit 2") && refused.contains("--output"));
}
