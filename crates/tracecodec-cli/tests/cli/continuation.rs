//! The latent-interface test.

use super::*;

const WINDOWS: &str = "--prefix 100 --suffix 100 --stride 50 --cases 5";

/// A folder with shards of the example, half of them for testing.
fn sharded() -> TempDir {
    let folder = TempDir::new().unwrap();
    succeed(
        &folder,
        "shard example.pcap -o shards --packets 700 --split 1,1,2",
    );
    folder
}

#[test]
fn test_controls() {
    let folder = sharded();
    let line = format!(
        "generator continuation repeat later oracle raw-oracle codec --shards shards -o out {WINDOWS}"
    );
    let outcome = json(&succeed(&folder, &format!("{line} --keep kept --json")));
    assert_eq!(outcome["cases"], 5);
    assert!(outcome["windows"].as_u64().unwrap() > 5, "{outcome}");
    for contestant in outcome["contestants"].as_array().unwrap() {
        let metrics = contestant["metrics"].as_object().unwrap();
        let is_real = !["repeat", "later"]
            .map(Into::into)
            .contains(&contestant["label"]);
        assert_eq!(metrics["usable_suffixes_pct"], 100.0);
        assert_eq!(metrics["valid_coverage_pct"], 100.0);
        for (key, value) in metrics.iter().filter(|(key, _)| key.starts_with("ca_")) {
            let value = value.as_f64().unwrap();
            assert!(is_real == (value == 0.0), "{contestant}: {key}");
        }
    }

    // The captures are there, legal, and evaluate to what was told.
    let clean = succeed(&folder, "check kept/oracle --json");
    assert_eq!(json(&clean)["captures"].as_array().unwrap().len(), 5);
    let line_of = "evaluate kept/reference kept/later --requested 100 --dataset shards --json";
    let written = fs::read(folder.path().join("out/later.json")).unwrap();
    let mut of_captures: serde_json::Value = serde_json::from_slice(&written).unwrap();
    let made = ["role", "continuation"].map(|key| of_captures.as_object_mut().unwrap().remove(key));
    assert_eq!(made[0], Some("control".into()));
    assert_eq!(json(&succeed(&folder, line_of)), of_captures);
    succeed(
        &folder,
        "report out/repeat.json out/later.json -o page.html",
    );

    // Nothing is overwritten unasked.
    let again = run(&folder, &line);
    assert!(
        told(&again).contains("hint: --overwrite replaces it"),
        "{}",
        told(&again)
    );
    succeed(
        &folder,
        &format!("{line} --overwrite").replace("continuation", "test"),
    );

    // Without --keep, the same evaluations and nothing else.
    let before = names(&folder.path().join("out"));
    fs::remove_dir_all(folder.path().join("out")).unwrap();
    succeed(&folder, &line);
    assert_eq!(names(&folder.path().join("out")), before);
    assert!(fs::read(folder.path().join("out/later.json")).unwrap() == written);
}

#[test]
fn test_refusals() {
    let folder = sharded();
    let lines = [
        "generator continuation later --shards shards -o out",
        "generator continuation later later --shards shards -o out",
        "generator continuation nobody --shards shards -o out",
        "generator continuation later --shards nowhere -o out",
        "generator continuation oracle --shards shards -o out --prefix 10 --suffix 10 --keep shards",
        "generator continuation later --shards shards -o out --prefix 10 --suffix 600 --stride 4000",
    ];
    let told: Vec<_> = lines
        .iter()
        .map(|line| format!("$ {line}\n{}", told(&run(&folder, line))))
        .collect();
    insta::assert_snapshot!("refusals", told.join("\n"));
    assert_eq!(files(&folder), ["shards"]);
}
