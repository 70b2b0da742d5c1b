//! What learns: training, latents, codecs.

use super::*;

#[test]
fn test_model_of_another_schema_version_and_damaged_models() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    for file in ["model.json", "weights.safetensors"] {
        fs::copy(
            data("../crates/tracecodec-nn/built-in/codec").join(file),
            model.join(file),
        )
        .unwrap();
    }
    let text = fs::read_to_string(model.join("model.json")).unwrap();
    let line = "roundtrip example.pcap out.pcap --model model --no-refine";
    fs::write(
        model.join("model.json"),
        text.replace("\"schema_version\": 2", "\"schema_version\": 999"),
    )
    .unwrap();
    let other = told(&run(&folder, line));
    assert!(
        other.starts_with("exit 2") && other.contains("999") && other.contains("hint"),
        "{other}"
    );
    fs::write(model.join("model.json"), &text).unwrap();
    let weights = fs::read(model.join("weights.safetensors")).unwrap();
    fs::write(
        model.join("weights.safetensors"),
        &weights[..weights.len() / 2],
    )
    .unwrap();
    let cut = told(&run(&folder, line));
    assert!(
        cut.starts_with("exit 2") && cut.contains("weights.safetensors"),
        "{cut}"
    );
    assert!(
        told(&run(
            &folder,
            "roundtrip example.pcap out.pcap --model nowhere"
        ))
        .contains("nowhere")
    );
    assert_eq!(files(&folder), ["model"]);
}

#[test]
fn test_shards_train_encode_decode() {
    let folder = TempDir::new().unwrap();
    let table = succeed(&folder, "shard example.pcap -o shards --packets 100");
    insta::assert_snapshot!("shards", told(&table));
    let refused = run(&folder, "shard example.pcap -o shards");
    assert_eq!(refused.status.code(), Some(2));
    succeed(&folder, "train shards -o model --steps 20 --seed 3");
    let encoded = json(&succeed(
        &folder,
        "encode example.pcap --model model -o z.safetensors --no-refine --json",
    ));
    assert_eq!(encoded["packets"], 4000);
    succeed(
        &folder,
        "decode z.safetensors --model model -o decoded.pcap",
    );
    succeed(
        &folder,
        "decode z.safetensors --model model -o decoded.parquet",
    );
    succeed(&folder, "compile decoded.parquet -o compiled.pcap");
    succeed(
        &folder,
        "roundtrip example.pcap roundtrip.pcap --model model --no-refine",
    );
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    assert!(read("decoded.pcap") == read("compiled.pcap"));
    assert!(read("decoded.pcap") == read("roundtrip.pcap"));
    let inspection = json(&succeed(&folder, "inspect decoded.pcap --json"));
    assert_eq!(
        (&inspection["packets_read"], &inspection["actions"]),
        (&4000.into(), &4000.into())
    );
    for foreign in [
        "decode z.safetensors -o x.pcap --model nowhere",
        "decode z.safetensors -o x.pcap",
    ] {
        assert_eq!(run(&folder, foreign).status.code(), Some(2), "{foreign}");
    }
    for refused in [
        "train shards -o model --steps 2",
        "train shards -o shards --steps 2",
    ] {
        assert_eq!(run(&folder, refused).status.code(), Some(2), "{refused}");
    }
    // Latents of one's own come without a manifest.
    fs::remove_file(folder.path().join("z.safetensors.json")).unwrap();
    succeed(&folder, "decode z.safetensors --model model -o own.pcap");
    succeed(
        &folder,
        "lift example.pcap --profiles-of model -o own.parquet",
    );
    succeed(
        &folder,
        "encode own.parquet --model model --no-refine -o own.safetensors",
    );
    let shard = folder.path().join("shards/train/shard-00000.pcapng");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let changed = told(&run(&folder, "train shards -o other --steps 2"));
    assert!(
        changed.starts_with("exit 2") && changed.contains("shard-00000"),
        "{changed}"
    );
    assert!(!folder.path().join("other").exists());
}

#[test]
fn test_options_win_over_a_configuration() {
    let folder = TempDir::new().unwrap();
    let settings = r#"{"codec": {"d_latent": 8, "width": 16, "d_model": 8, "encoder": "transformer"},
        "train": {"batch": 32, "micro_batch": 32, "seed": 7, "steps": 3, "validations": 1, "validation_packets": 64}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    let trained = |line: &str, output: &str| {
        succeed(
            &folder,
            &format!("train example.pcap --config settings.json -o {output} {line}"),
        );
        let manifest = fs::read(folder.path().join(output).join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let training = &manifest["training"];
        ["seed", "steps"]
            .map(|name| training[name].to_string())
            .into_iter()
            .chain([manifest["codec"]["encoder"].to_string()])
            .collect::<Vec<_>>()
    };
    assert_eq!(trained("", "a"), ["7", "3", "\"transformer\""]);
    assert_eq!(
        trained("--seed 2 --steps 2 --encoder mlp", "b"),
        ["2", "2", "\"residual-mlp\""]
    );
}

#[test]
fn test_train_on_any_mix() {
    let folder = TempDir::new().unwrap();
    let settings = r#"{"codec": {"d_latent": 8, "width": 16, "encoder_blocks": 1},
        "train": {"batch": 64, "micro_batch": 32, "validations": 1, "shuffle_pool": 2048}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    succeed(
        &folder,
        "lift example.pcap -o lifted.parquet --keep hosts,services",
    );
    succeed(&folder, "shard example.pcap -o shards --packets 400");
    let train = |data: &str, output: &str| {
        let line = format!("train {data} --config settings.json --steps 70 --json -o {output}");
        let summary = json(&succeed(&folder, &line));
        let packets = ["training_packets", "validation_packets"];
        packets.map(|name| summary[name].as_u64().unwrap())
    };
    // What a killed lift left behind is in nobody's way.
    fs::create_dir_all(folder.path().join("a/actions.part/left")).unwrap();
    assert_eq!(train("example.pcap", "a"), [3600, 400]);
    assert_eq!(train("lifted.parquet", "b"), [3600, 400]);
    let weights = |name: &str| fs::read(folder.path().join(name).join("weights.safetensors"));
    assert!(weights("a").unwrap() == weights("b").unwrap());
    let shards = train("shards", "c");
    let mix = train("lifted.parquet shards example.pcap", "d");
    assert_eq!(mix, [7200 + shards[0], 800 + shards[1]]);
    assert!(!folder.path().join("d/actions.part").exists());

    fs::write(folder.path().join("bad.parquet"), "no actions").unwrap();
    let refused = told(&run(&folder, "train example.pcap bad.parquet -o e"));
    assert!(
        refused.contains("bad.parquet: not a Parquet file") && refused.contains("hint:"),
        "{refused}"
    );
    assert!(!folder.path().join("e").exists());
}

#[test]
fn test_built_in_model_brings_the_example_back() {
    let folder = TempDir::new().unwrap();
    let summary = json(&succeed(
        &folder,
        "roundtrip example.pcap decoded.pcap --json",
    ));
    assert!(
        summary["codec"]["action_accuracy"].as_f64().unwrap() > 0.99,
        "{summary}"
    );
    let inspection = json(&succeed(&folder, "inspect decoded.pcap --json"));
    assert_eq!(inspection["actions"], 4000);
}

#[test]
fn test_sample_of_the_latents() {
    let folder = TempDir::new().unwrap();
    for (name, seed) in [("a", 7), ("b", 7), ("c", 8)] {
        let line = format!("encode example.pcap --no-refine -o {name}.safetensors --sample {seed}");
        succeed(&folder, &line);
        succeed(
            &folder,
            &format!("decode {name}.safetensors --sample -o {name}.pcap"),
        );
    }
    succeed(&folder, "decode a.safetensors -o means.pcap");
    let read = |name| fs::read(folder.path().join(name)).unwrap();
    assert!(read("a.safetensors") == read("b.safetensors"));
    assert!(read("a.safetensors") != read("c.safetensors"));
    assert!(read("a.pcap") == read("b.pcap") && read("a.pcap") != read("means.pcap"));
    let manifest: serde_json::Value = serde_json::from_slice(&read("c.safetensors.json")).unwrap();
    assert_eq!(manifest["sample_seed"], 8);
    assert_eq!(manifest["entropy"], serde_json::Value::Null);

    succeed(&folder, "encode example.pcap --no-refine -o d.safetensors");
    let refused = told(&run(&folder, "decode d.safetensors --sample -o d.pcap"));
    assert!(
        refused.contains("no tensor `sample`") && refused.contains("hint:"),
        "{refused}"
    );
}

#[test]
fn test_entropy_beside_the_rate() {
    let folder = TempDir::new().unwrap();
    let trip = json(&succeed(
        &folder,
        "roundtrip example.pcap out.pcap --no-refine --entropy --json",
    ));
    let encoded = json(&succeed(
        &folder,
        "encode example.pcap --no-refine -o z.safetensors --entropy --json",
    ));
    assert_eq!(trip["codec"]["entropy"], encoded["entropy"]);
    let nats = |key| encoded["entropy"][key].as_f64().unwrap();
    let most = 4000.0_f64.ln();
    assert!(nats("plug_in") > most - 1.0 && nats("plug_in") <= most);
    assert!(nats("code_length") > nats("plug_in") && nats("code_length") < 50.0);
}

#[test]
fn test_probe() {
    let folder = TempDir::new().unwrap();
    let probe = json(&succeed(
        &folder,
        "probe example.pcap --packets 64 --seed 3 --svg dims.svg --json",
    ));
    assert_eq!((&probe["packets"], &probe["seed"]), (&64.into(), &3.into()));
    assert_eq!(probe["noise"].as_array().unwrap().len(), 5);
    assert_eq!(probe["dimensions"].as_array().unwrap().len(), 64);
    let changed = &probe["dimensions"][0]["moves"][2]["changed"];
    assert!(changed["delta_t"].is_f64(), "{changed}");
    let drawing = fs::read_to_string(folder.path().join("dims.svg")).unwrap();
    assert!(drawing.starts_with("<svg") && drawing.contains(">l4_payload_len</text>"));

    let settings = r#"{"codec": {"d_latent": 4, "width": 16, "encoder_blocks": 1}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    succeed(
        &folder,
        "train example.pcap --config settings.json --steps 2 -o model",
    );
    let line = "probe example.pcap --model model --packets 64";
    let text = told(&succeed(&folder, line));
    for part in [
        "noise (sigma)",
        "from a packet to any other: 64 pairs",
        "a step of 2 changes",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let refused = told(&run(&folder, "probe example.pcap --packets 1"));
    assert!(
        refused.contains("too few packets") && refused.contains("hint:"),
        "{refused}"
    );
}

#[test]
fn test_killed_training_goes_on_to_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    let settings = r#"{"codec": {"d_latent": 8, "width": 16, "encoder_blocks": 1},
        "train": {"batch": 64, "micro_batch": 32, "validations": 40, "validation_packets": 64}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    let line = "train example.pcap --config settings.json --steps 400 -o";
    succeed(&folder, &format!("{line} whole"));
    let mut killed = tracecodec()
        .current_dir(&folder)
        .args(format!("{line} parts").split_whitespace())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("parts/checkpoint.safetensors");
    while !checkpoint.exists() {
        assert!(killed.try_wait().unwrap().is_none(), "it ended early");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(folder.path().join("parts/actions.part").exists());

    let refused = told(&run(&folder, &format!("{line} parts")));
    assert!(refused.contains("--resume continues it"), "{refused}");
    succeed(&folder, &format!("{line} parts --resume"));
    let files = |name: &str| {
        let mut names: Vec<_> = fs::read_dir(folder.path().join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        let file = |path: PathBuf| {
            (
                path.file_name().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        };
        names.into_iter().map(file).collect::<Vec<_>>()
    };
    assert_eq!(files("parts"), files("whole"));
    let card = fs::read_to_string(folder.path().join("whole/MODEL_CARD.md")).unwrap();
    assert!(card.contains("| example.pcap | 4,000 |"), "{card}");
    let ended = told(&run(&folder, &format!("{line} parts --resume")));
    assert!(ended.contains("no checkpoint there"), "{ended}");
}

#[test]
fn test_folders_go_round() {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("in/a")).unwrap();
    let copy = |to: &str| fs::copy(data("example.pcap"), folder.path().join(to)).unwrap();
    copy("in/a/1.pcap");
    copy("in/2.pcap");
    fs::write(folder.path().join("in/README"), "captures").unwrap();
    let told_of = told(&succeed(&folder, "roundtrip --oracle in out"));
    assert!(
        told_of.contains("left out, since no capture: in/README"),
        "{told_of}"
    );
    let whole = succeed(&folder, "evaluate in out --json");
    let mut evaluation = json(&whole);
    // Every flow has endpoints of its own: of hosts, only their captures are as before.
    let hosts = ["reference", "decoded"].map(|side| evaluation[side]["hosts"].take());
    assert_eq!(hosts[0]["captures"], hosts[1]["captures"]);
    assert_eq!(evaluation["reference"], evaluation["decoded"]);
    assert_eq!(evaluation["reference"]["captures"], 2);
    // Each by itself: the two outputs are those of one capture.
    succeed(&folder, "roundtrip --oracle example.pcap alone.pcap");
    for name in ["out/a/1.pcap", "out/2.pcap"] {
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert!(read(name) == read("alone.pcap"), "{name}");
    }
    let again = told(&run(&folder, "roundtrip --oracle in out"));
    assert!(again.contains("not an empty folder"), "{again}");
    let listed = json(&succeed(&folder, "roundtrip --oracle in new --json"));
    assert_eq!(listed["captures"][1]["output"], "new/a/1.pcap");
}

#[test]
fn test_baselines_from_shards_to_captures() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "shard example.pcap -o shards --packets 400");
    let train = "baseline train shards -m tvae -o model --steps 40 --seed 3";
    succeed(&folder, train);
    assert_eq!(
        names(&folder.path().join("model")),
        [
            "baseline.json",
            "history.jsonl",
            "manifest.json",
            "weights.safetensors"
        ]
    );
    assert!(told(&run(&folder, train)).contains("--overwrite"));
    let summary = json(&succeed(
        &folder,
        "baseline reconstruct shards/test decoded -m model --json",
    ));
    let captures = summary["captures"].as_array().unwrap();
    assert!(!captures.is_empty());
    for capture in captures {
        let rows = &capture["diagnostics"]["rows"];
        let valid = rows["rows"].as_u64().unwrap() - rows["invalid"].as_u64().unwrap();
        let output = capture["output"].as_str().unwrap();
        let inspected = json(&succeed(&folder, &format!("inspect {output} --json")));
        assert_eq!(inspected["packets_read"].as_u64(), Some(valid), "{output}");
    }
    let inside = "baseline reconstruct shards/test shards/test/decoded -m model";
    let inside = told(&run(&folder, inside));
    assert!(inside.contains("lies within shards/test"), "{inside}");
    let told_of_rows = told(&succeed(&folder, "baseline diagnose shards/test -m model"));
    for column in ["invalid rows", "tcp_dport", "delta_t"] {
        assert!(told_of_rows.contains(column), "{told_of_rows}");
    }
    let outside = told(&run(&folder, "baseline diagnose example.pcap -m shards"));
    assert!(outside.contains("shards: no baseline there"), "{outside}");
}

#[test]
fn test_generators_from_shards_to_curves() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "shard example.pcap -o shards --packets 400");
    let sequences = "generator sequences shards -o sequences --json";
    let summary = json(&succeed(&folder, sequences));
    assert_eq!(summary["channels"], 65);
    let rows = ["training_rows", "validation_rows", "test_rows"];
    let rows = rows.map(|rows| summary[rows].as_u64().unwrap());
    assert_eq!(rows.iter().sum::<u64>(), 4000);
    assert!(told(&run(&folder, sequences)).contains("--overwrite"));
    let config = r#"{"network": {"layers": 1, "width": 16, "heads": 2, "prefix": 16, "suffix": 16},
        "train": {"steps": 6, "batch": 4, "validations": 2, "validation_windows": 8}}"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    let train = "generator train sequences -o model --config config.json --seed 3";
    succeed(&folder, train);
    assert_eq!(
        names(&folder.path().join("model")),
        [
            "generator.json",
            "history.jsonl",
            "manifest.json",
            "weights.safetensors"
        ]
    );
    assert!(told(&run(&folder, train)).contains("--overwrite"));
    let curve = "generator curve model sequences --windows 4 --steps 1,2 --reference 4";
    let table = told(&succeed(&folder, curve));
    assert!(table.contains("4 suffixes of 16 packets"), "{table}");
    let measured = json(&succeed(&folder, &format!("{curve} --methods heun --json")));
    let points = measured["points"].as_array().unwrap();
    assert_eq!(points.len(), 2);
    assert_eq!(points[1]["evaluations"], 4);
    assert_eq!(measured["reference"]["to_reference"], 0.0);
    fs::write(
        folder.path().join("config.json"),
        r#"{"train": {"speed": 1}}"#,
    )
    .unwrap();
    let unknown = told(&run(&folder, &format!("{train} --overwrite")));
    assert!(unknown.contains("speed"), "{unknown}");
    let outside = told(&run(&folder, "generator train . -o other"));
    assert!(outside.contains(".: no shards there"), "{outside}");
    let outside = told(&run(&folder, "generator curve shards sequences"));
    assert!(outside.contains("shards: no generator there"), "{outside}");
}

#[test]
fn test_latents_of_other_models_are_refused() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "shard example.pcap -o shards --packets 400");
    for (model, standalone) in [("tvae", true), ("goggle", false)] {
        succeed(
            &folder,
            &format!("baseline train shards -m {model} -o {model} --steps 2"),
        );
        let sequences = format!("generator sequences shards -o of-{model} --baseline {model}");
        let sequences = run(&folder, &sequences);
        assert_eq!(sequences.status.success(), standalone, "{model}");
        let refused = told(&sequences).contains("do not decode from its latents alone");
        assert_eq!(refused, !standalone, "{model}");
    }
    assert!(!folder.path().join("of-goggle").exists());
    let codec = "generator sequences shards -o of-codec";
    succeed(&folder, codec);
    let config = r#"{"network": {"layers": 1, "width": 8, "heads": 1, "prefix": 4, "suffix": 4}}"#;
    fs::write(folder.path().join("config.json"), config).unwrap();
    let train = "generator train of-codec -o model --config config.json --steps 1";
    succeed(&folder, train);
    let mixed = told(&run(&folder, "generator curve model of-tvae"));
    assert!(mixed.contains("latents of another model"), "{mixed}");
}

#[test]
fn test_raw_oracle_keeps_the_example() {
    let folder = TempDir::new().unwrap();
    for schema in ["columns", "bits"] {
        let out = format!("{schema}.pcap");
        succeed(
            &folder,
            &format!("baseline oracle example.pcap {out} --schema {schema}"),
        );
        let evaluation = json(&succeed(
            &folder,
            &format!("evaluate example.pcap {out} --json"),
        ));
        assert_eq!(evaluation["metrics"]["tcp_event_pp"], 0.0, "{schema}");
        assert_eq!(evaluation["metrics"]["iat_log_pct"], 0.0, "{schema}");
    }
}

#[test]
fn test_training_that_diverged_is_told() {
    let folder = TempDir::new().unwrap();
    let settings = r#"{"codec": {"d_latent": 8, "width": 16, "encoder_blocks": 1},
        "train": {"learning_rate": 10, "warm_up": 0, "batch": 64, "micro_batch": 32, "validations": 2, "validation_packets": 64}}"#;
    fs::write(folder.path().join("settings.json"), settings).unwrap();
    let trained = succeed(
        &folder,
        "train example.pcap --config settings.json --steps 20 --json -o model",
    );
    let told = told(&trained);
    assert!(
        told.contains("warning: the best validation has a loss of")
            && told.contains("hint: lower learning_rate (10)"),
        "{told}"
    );
    let warning = json(&trained)["warning"].to_string();
    assert!(warning.contains("diverged"), "{warning}");
}

#[test]
fn test_settings_of_a_training_that_are_refused() {
    let folder = TempDir::new().unwrap();
    for (settings, place) in [
        ("[]", "it is no JSON object"),
        ("{\"train\": []}", "train: not a JSON object"),
        ("{\"codec\": [64]}", "codec: not a JSON object"),
        (
            "{\"train\": {\"augmentation\": [0, 0, 0]}}",
            "train.augmentation: not a JSON object",
        ),
        ("{\"steps\": 2}", "unknown setting \"steps\""),
    ] {
        fs::write(folder.path().join("settings.json"), settings).unwrap();
        let line = "train example.pcap --config settings.json --steps 2 -o model";
        let refused = told(&run(&folder, line));
        assert!(
            refused.starts_with("exit 2") && refused.contains("settings.json: not a training"),
            "{refused}"
        );
        assert!(refused.contains(place), "{place}: {refused}");
    }
    let refused = told(&run(&folder, "train example.pcap --threads 0 -o model"));
    assert!(
        refused.starts_with("exit 2") && refused.contains("0 is not in 1.."),
        "{refused}"
    );
    assert_eq!(files(&folder), ["settings.json"]);
}

#[test]
fn test_latents_that_are_refused() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "encode example.pcap --no-refine -o z.safetensors");
    let path = folder.path().join("z.safetensors.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"model_blake3\"", "\"digest\"")).unwrap();
    let refused = told(&run(&folder, "decode z.safetensors -o out.pcap"));
    assert!(
        refused.contains(
            "z.safetensors.json: not a manifest of latents: missing field `model_blake3`"
        ) && refused.contains("hint: it needs the keys format, version and model_blake3"),
        "{refused}"
    );
    fs::remove_file(&path).unwrap();
    let latents = folder.path().join("z.safetensors");
    let mut bytes = fs::read(&latents).unwrap();
    // The first number of the second packet: `mu` is the last tensor, 64 numbers a packet.
    let place = bytes.len() - (4_000 - 1) * 64 * 4;
    bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&latents, bytes).unwrap();
    let refused = told(&run(&folder, "decode z.safetensors -o out.pcap"));
    assert!(
        refused.contains("z.safetensors: row 2 holds a value that is no number"),
        "{refused}"
    );
}

#[test]
fn test_latents_and_rows_of_ones_own_decode() {
    let folder = TempDir::new().unwrap();
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    succeed(&folder, "encode example.pcap --no-refine -o z.safetensors");
    succeed(&folder, "decode z.safetensors -o z.pcap");
    // The same numbers under another name, without a manifest.
    fs::write(
        folder.path().join("mine.safetensors"),
        read("z.safetensors"),
    )
    .unwrap();
    let line = "decode mine.safetensors --like z.safetensors -o mine.pcap";
    let decoded = told(&succeed(&folder, line));
    assert!(!decoded.contains("warning"), "{decoded}");
    assert!(read("mine.pcap") == read("z.pcap"));
    succeed(&folder, "decode mine.safetensors -o of-1970.pcap");
    assert!(read("of-1970.pcap") != read("z.pcap"));
    // Rows of sequences have a channel more, and are several traces one after the other.
    succeed(&folder, "shard example.pcap -o shards --packets 400");
    succeed(&folder, "generator sequences shards -o sequences");
    let rows = "decode sequences/train.safetensors -o rows.pcap --json";
    let rows = json(&succeed(&folder, rows));
    let inspection = json(&succeed(&folder, "inspect rows.pcap --json"));
    assert_eq!(rows["packets"], inspection["packets_read"]);
    assert_eq!(rows["settled"]["flows"], 0);
}

#[test]
fn test_latents_by_the_wrong_codec_warn() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "encode example.pcap --no-refine -o z.safetensors");
    succeed(&folder, "train example.pcap -o other --steps 2");
    fs::remove_file(folder.path().join("z.safetensors.json")).unwrap();
    let line = "decode z.safetensors -o out.pcap";
    let own = told(&succeed(&folder, line));
    assert!(!own.contains("warning"), "{own}");
    let other = told(&succeed(&folder, &format!("{line} --model other")));
    assert!(
        other.contains("warning: ") && other.contains("hint: decode with the codec that encoded"),
        "{other}"
    );
}

#[test]
fn test_files_of_other_kinds_and_names_are_refused() {
    let folder = TempDir::new().unwrap();
    succeed(&folder, "encode example.pcap --no-refine -o z.safetensors");
    for (line, reason) in [
        (
            "decode example.pcap -o out.pcap",
            "example.pcap: no latents: this is a capture",
        ),
        ("inspect z.safetensors", "this is a safetensors file"),
        (
            "encode example.pcap -o z.pcap",
            "z.pcap: a name of captures, but latents would be written\nhint: name it z.safetensors",
        ),
        (
            "lift example.pcap -o out.pcap.gz",
            "out.pcap.gz: a name of captures, but packet actions would be written\nhint: name it out.parquet",
        ),
        (
            "roundtrip example.pcap out.parquet --oracle",
            "out.parquet: a name of packet actions, but captures would be written\nhint: name it out.pcap",
        ),
        (
            "decode z.safetensors -o out.json",
            "out.json: a name of JSON documents, but captures would be written",
        ),
        (
            "decode z.safetensors -o no/such/out.pcap",
            "cannot write no/such/out.pcap: there is no folder no/such",
        ),
    ] {
        let refused = told(&run(&folder, line));
        assert!(refused.starts_with("exit 2"), "{line}: {refused}");
        assert!(refused.contains(reason), "{line}: {refused}");
    }
    assert_eq!(files(&folder), ["z.safetensors", "z.safetensors.json"]);
}

#[test]
fn test_empty_capture_has_no_negative_rate() {
    let folder = TempDir::new().unwrap();
    let example = fs::read(data("example.pcap")).unwrap();
    fs::write(folder.path().join("empty.pcap"), &example[..24]).unwrap();
    for line in [
        "encode empty.pcap --entropy -o z.safetensors",
        "encode empty.pcap --no-refine -o z.safetensors",
        "roundtrip empty.pcap out.pcap --entropy",
        "roundtrip empty.pcap out.pcap --no-refine",
    ] {
        for json in ["", " --json"] {
            let told = told(&succeed(&folder, &format!("{line}{json}")));
            assert!(!told.contains("-0"), "{line}{json}: {told}");
        }
    }
}
