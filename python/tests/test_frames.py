"""Actions as frames: lift, filter or edit in another library, compile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tracecodec as tc

EXAMPLE = "example.pcap"


def test_lift_holds_what_a_file_holds() -> None:
    pl = pytest.importorskip("polars")
    manifest = tc.lift(EXAMPLE, "example.parquet")
    actions = tc.lift(EXAMPLE)
    assert pl.DataFrame(actions).equals(pl.read_parquet("example.parquet"))
    stored, memory = dict(manifest), dict(actions.manifest)
    for key in ("file", "blake3"):
        del stored[key], memory[key]
    assert stored == memory
    assert "tracecodec.schema_version" in actions.metadata


def test_pandas_filters() -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = tc.lift(EXAMPLE).to_pandas()
    tcp = frame[frame.proto == 0]
    assert tc.compile(tcp, "tcp.pcap")["packets"] == len(tcp) < len(frame)
    assert tc.inspect("tcp.pcap")["protocols"]["tcp"] == len(tcp)


def test_pandas_edits_and_widens() -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = tc.lift(EXAMPLE).to_pandas()
    frame["delta_t"] *= 2.0
    frame = frame.astype({"flow_token": "int64", "proto": "float64"})
    tc.compile(frame, "slow.pcap")
    span = [
        tc.inspect(path)["last_ns"] - tc.inspect(path)["first_ns"]
        for path in (EXAMPLE, "slow.pcap")
    ]
    assert span[1] == 2 * span[0]


def test_polars_filters() -> None:
    pl = pytest.importorskip("polars")
    actions = tc.lift(EXAMPLE)
    frame = actions.to_polars().filter(pl.col("flow_token") < 5)
    assert tc.compile(frame, "few.pcap", like=actions)["packets"] == len(frame)


def test_duckdb_filters() -> None:
    duckdb = pytest.importorskip("duckdb")
    actions = tc.lift(EXAMPLE)
    tcp = duckdb.sql("select * from actions where proto = 0")
    outcome = tc.compile(tcp, "tcp.pcap", like=actions)
    assert outcome["packets"] == actions.manifest["counts"]["protocols"]["tcp"]


def test_untouched_actions_compile_to_the_oracle() -> None:
    tc.roundtrip(EXAMPLE, "oracle.pcap", oracle=True)
    tc.compile(tc.lift(EXAMPLE), "compiled.pcap")
    assert Path("oracle.pcap").read_bytes() == Path("compiled.pcap").read_bytes()


def test_the_context_is_derived() -> None:
    pl = pytest.importorskip("polars")
    actions = tc.lift(EXAMPLE)
    context = [name for name in actions.columns if name.startswith("ctx_")]
    tc.compile(actions, "whole.pcap")
    tc.compile(actions.to_polars().drop(context), "derived.pcap", like=actions)
    assert Path("whole.pcap").read_bytes() == Path("derived.pcap").read_bytes()
    assert pl is not None


def test_lost_metadata_are_looked_for() -> None:
    pytest.importorskip("polars")
    actions = tc.lift(EXAMPLE)
    frame = actions.to_polars()
    with pytest.raises(tc.SchemaError, match="schema, no `like`, and no column") as caught:
        tc.compile(frame, "x.pcap")
    assert "`like`" in (caught.value.hint or "")
    tc.lift(EXAMPLE, "example.parquet")
    for like in (actions, "example.parquet", Path("example.parquet.json")):
        assert tc.compile(frame, "x.pcap", like=like)["packets"] == 4000
    with pytest.raises(FileNotFoundError):
        tc.compile(frame, "y.pcap", like="nothing.parquet")
    assert not Path("y.pcap").exists()


def test_metadata_travel_as_a_column() -> None:
    pl = pytest.importorskip("polars")
    duckdb = pytest.importorskip("duckdb")
    actions = tc.lift(EXAMPLE)
    tc.compile(actions, "expected.pcap")
    carried = actions.with_metadata()
    assert "tracecodec_metadata" not in carried.to_numpy()
    frame = carried.to_polars()
    frame.write_parquet("kept.parquet")
    frame.write_csv("kept.csv")
    for rows in (
        frame,
        duckdb.sql("from carried"),
        pl.read_parquet("kept.parquet"),
        pl.read_csv("kept.csv"),
    ):
        tc.compile(rows, "x.pcap")
        assert Path("x.pcap").read_bytes() == Path("expected.pcap").read_bytes()
    tc.compile(frame.to_pandas().merge(pl.DataFrame({"proto": [0]}).to_pandas()), "tcp.pcap")
    other = tc.lift(EXAMPLE, first=10).with_metadata().to_polars()
    with pytest.raises(tc.SchemaError, match="row 4001: .* another lift"):
        tc.compile(pl.concat([frame, other]), "x.pcap")


def test_bad_values_name_row_and_column() -> None:
    pl = pytest.importorskip("polars")
    actions = tc.lift(EXAMPLE)
    frame = actions.to_polars()
    for bad, message in (
        (pl.lit(9), "row 1: proto is 9, but at most"),
        (pl.lit(0.5), "row 1: proto is 0.5, not a whole number"),
        (pl.lit(None, pl.Int64), "row 1: column proto is null"),
        (pl.lit("tcp"), "column proto is .*, not a number"),
    ):
        with pytest.raises(tc.SchemaError, match=message):
            tc.compile(frame.with_columns(proto=bad), "x.pcap", like=actions)
    with pytest.raises(tc.SchemaError, match="no column proto"):
        tc.compile(frame.drop("proto"), "x.pcap", like=actions)
    with pytest.warns(tc.TraceCodecWarning, match="columns ignored: score"):
        tc.compile(frame.with_columns(score=1), "x.pcap", like=actions)


def test_labels_stay_a_column_all_the_way() -> None:
    pl = pytest.importorskip("polars")
    pa = pytest.importorskip("pyarrow")
    actions = tc.lift(EXAMPLE)
    names = ["web", "mail", None]
    labels = [names[row % 3] for row in range(len(actions))]
    samples = [None if label is None else str(row) for row, label in enumerate(labels)]
    frame = actions.to_polars().with_columns(
        sample_id=pl.Series(samples), label=pl.Series(labels)
    )
    tc.compile(frame, "labelled.pcapng", like=actions)
    back = tc.lift("labelled.pcapng")
    assert back.columns[-2:] == ["sample_id", "label"]
    assert back.to_polars()["label"].to_list() == labels
    # Categories, as pandas and Polars keep labels, are text, too.
    kept = back.to_polars().with_columns(pl.col("label").cast(pl.Categorical))
    tc.compile(kept.filter(pl.col("label") == "web"), "web.pcapng", like=back)
    assert set(tc.lift("web.pcapng").to_polars()["label"]) == {"web"}
    assert pa.table(back).schema.field("label").nullable


def test_labels_stay_through_latents() -> None:
    pl = pytest.importorskip("polars")
    actions = tc.lift(EXAMPLE, first=50)
    frame = actions.to_polars().with_columns(
        sample_id=pl.lit("1"), label=pl.lit("web", pl.String)
    )
    tc.compile(frame, "labelled.pcapng", like=actions)
    codec = tc.Codec.load()
    codec.decode(codec.encode("labelled.pcapng"), "decoded.pcapng")
    assert tc.lift("decoded.pcapng").to_polars()["label"].to_list() == ["web"] * 50


def test_evaluations_are_frames() -> None:
    pd = pytest.importorskip("pandas")
    tc.roundtrip(EXAMPLE, "oracle.pcap", oracle=True)
    rows = [
        tc.evaluate(EXAMPLE, decoded, label=label)
        for label, decoded in (("same", EXAMPLE), ("oracle", "oracle.pcap"))
    ]
    frame = pd.DataFrame([row["metrics"] for row in rows], index=[row["label"] for row in rows])
    assert list(frame.index) == ["same", "oracle"]
    assert frame.select_dtypes(np.number).shape[1] > 5
    # Times and lengths survive; hosts do not, unless they are kept.
    assert frame["iat_ms_pct"].tolist() == frame["packet_size_pct"].tolist() == [0, 0]
    assert frame["host_count_pct"]["same"] == 0 < frame["host_count_pct"]["oracle"]


def test_flows_are_a_frame() -> None:
    pl = pytest.importorskip("polars")
    sessions = tc.flows(EXAMPLE, "conn.parquet")["sessions"]
    assert len(pl.read_parquet("conn.parquet")) == sessions
