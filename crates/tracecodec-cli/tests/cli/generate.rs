//! Generated traces.

use super::*;

/// The packets of a capture, as `inspect` counts them, and its seconds.
fn length(folder: &TempDir, capture: &str) -> (u64, f64) {
    let told = json(&succeed(folder, &format!("inspect {capture} --json")));
    let of = |key: &str| told[key].as_i64().unwrap();
    let seconds = (of("last_ns") - of("first_ns")) as f64 / 1e9;
    (told["packets_read"].as_u64().unwrap(), seconds)
}

#[test]
fn test_a_trace_from_nothing() {
    let folder = TempDir::new().unwrap();
    let made = |options: &str, output: &str| {
        succeed(
            &folder,
            &format!("generate --packets 3000 {options} -o {output}"),
        );
        fs::read(folder.path().join(output)).unwrap()
    };
    let first = made("--seed 5 --threads 1", "a.pcap");
    assert!(made("--seed 5 --threads 3", "b.pcap") == first);
    assert!(made("--seed 6", "c.pcap") != first);
    assert!(made("--seed 5 --salt 1", "d.pcap") != first);
    let piped = succeed(&folder, "generate --packets 3000 --seed 5 -o -").stdout;
    assert!(piped == first);
    assert_eq!(length(&folder, "a.pcap").0, 3000);
    succeed(&folder, "check a.pcap c.pcap");
}

#[test]
fn test_length_and_rate() {
    let folder = TempDir::new().unwrap();
    let told = json(&succeed(
        &folder,
        "generate --duration 2 --label crowd -o a.pcapng.gz --json",
    ));
    let (packets, seconds) = length(&folder, "a.pcapng.gz");
    assert_eq!(told["packets"], packets);
    // What was made before the first packet does not count.
    let services = told["shaped"]["services"].as_object().unwrap().values();
    let shaped: u64 = services
        .map(|count| count["shaped"].as_u64().unwrap())
        .sum();
    assert!((1..=packets).contains(&shaped), "{shaped} of {packets}");
    assert!(seconds <= 2.0 && seconds > 1.5, "{seconds}");
    succeed(
        &folder,
        "generate --packets 20000 --label crowd --rate 1000 -o b.pcap",
    );
    let (packets, seconds) = length(&folder, "b.pcap");
    assert_eq!(packets, 20_000);
    assert!((seconds / 20.0 - 1.0).abs() < 0.1, "{seconds}");
}

#[test]
fn test_a_capture_goes_on() {
    let folder = TempDir::new().unwrap();
    let line = "generate --prefix example.pcap --packets 500 --seed 1";
    let told = json(&succeed(&folder, &format!("{line} -o after.pcap --json")));
    assert_eq!(
        (&told["prefix_packets"], &told["packets"]),
        (&4000.into(), &500.into())
    );
    // The label is found, and is as good as if it had been told.
    let label = told["label"].as_str().unwrap();
    succeed(&folder, &format!("{line} --label {label} -o told.pcap"));
    let [after, of_label] =
        ["after.pcap", "told.pcap"].map(|name| fs::read(folder.path().join(name)).unwrap());
    assert!(after == of_label);
    succeed(&folder, &format!("{line} --with-prefix -o whole.pcap"));
    assert_eq!(length(&folder, "after.pcap").0, 500);
    assert_eq!(length(&folder, "whole.pcap").0, 4500);
    succeed(&folder, "check whole.pcap");
    // Of flows that are open in the capture, some go on: fewer begin than there are.
    let flows = |capture: &str| {
        let told = json(&succeed(&folder, &format!("inspect {capture} --json")));
        told["flows"].as_u64().unwrap()
    };
    let opened = told["flows"].as_u64().unwrap();
    assert!(flows("after.pcap") > opened, "{told}");
    // The first part is the capture by way of the oracle.
    succeed(
        &folder,
        "roundtrip example.pcap oracle.pcap --oracle --keep hosts,services --payload shaped",
    );
    let [whole, oracle] =
        ["whole.pcap", "oracle.pcap"].map(|name| fs::read(folder.path().join(name)).unwrap());
    assert!(whole.starts_with(&oracle));
}

#[test]
fn test_generators_of_ones_own() {
    let folder = TempDir::new().unwrap();
    succeed(
        &folder,
        "shard example.pcap -o shards --packets 400 --label office",
    );
    let config = r#"{"shapes": {"packets": {"width": 16, "layers": 1, "hidden": 8}}, "steps": 4, "batch": 2, "validations": 2}"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    succeed(
        &folder,
        "generator train shards --config config.json -o own",
    );
    succeed(
        &folder,
        "generate --model own --label office --packets 300 -o own.pcap",
    );
    assert_eq!(length(&folder, "own.pcap").0, 300);
    // The same interface, another backbone.
    let config = r#"{"network": {"layers": 1, "width": 16, "heads": 2, "prefix": 16, "suffix": 16},
        "train": {"steps": 4, "batch": 4, "validations": 2, "validation_windows": 8}}"#;
    fs::write(folder.path().join("matching.json"), config).unwrap();
    succeed(&folder, "generator sequences shards -o sequences");
    succeed(
        &folder,
        "generator train sequences --config matching.json -o matching",
    );
    let line = "generate --model matching --solver-steps 2 --packets 100 --seed 3";
    succeed(&folder, &format!("{line} -o a.pcap"));
    succeed(&folder, &format!("{line} --threads 1 -o b.pcap"));
    let [a, b] = ["a.pcap", "b.pcap"].map(|name| fs::read(folder.path().join(name)).unwrap());
    assert!(a == b);
    assert_eq!(length(&folder, "a.pcap").0, 100);
    // What hardly learned anything samples segments that only an interface of its own has.
    succeed(&folder, &format!("{line} --mtu 1500 -o split.pcap"));
    succeed(&folder, "check split.pcap own.pcap");
    let told = json(&succeed(
        &folder,
        "generator continuation own matching later --shards shards -o out --prefix 20 --suffix 30 --stride 10 --cases 3 --solver-steps 2 --json",
    ));
    for contestant in told["contestants"].as_array().unwrap() {
        assert_eq!(
            contestant["metrics"]["usable_suffixes_pct"], 100.0,
            "{contestant}"
        );
    }
}

#[test]
fn test_what_cannot_be_generated_is_told() {
    let folder = TempDir::new().unwrap();
    let lines = [
        "generate -o a.pcap",
        "generate --packets 0 -o a.pcap",
        "generate --duration -1 -o a.pcap",
        "generate --packets 5 --label nowhere -o a.pcap",
        "generate --packets 5 --model . -o a.pcap",
        "generate --packets 5 --device wgpu -o a.pcap",
        "generate --packets 5 --with-prefix -o a.pcap",
        "generate --packets 5 --prefix a.pcap -o b.pcap",
        "generate --packets 5 --prefix example.pcap -o example.pcap",
        "generator train example.pcap --preset small -o a",
        "generator train nothing --preset small -o a",
    ];
    let told: Vec<_> = lines
        .iter()
        .map(|line| format!("$ {line}\n{}", told(&run(&folder, line))))
        .collect();
    insta::assert_snapshot!("refusals", told.join("\n"));
    assert_eq!(files(&folder), Vec::<String>::new());
}
