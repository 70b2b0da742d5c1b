"""Wrote the Parquet files beside it: an actions file as pandas, Polars and DuckDB rewrite it.

    tracecodec lift data/example.pcap -o lifted.parquet
    python rewrite.py

Versions: pandas 3.1.1 with pyarrow 26.0.1, Polars 2.1.0, DuckDB 2.0.1.
"""

import duckdb
import pandas as pd
import polars as pl

SOURCE, ROWS = "lifted.parquet", 200

# A join widens to float64, a filter leaves an index behind, and the context is dropped.
frame = pd.read_parquet(SOURCE)
context = [name for name in frame if name.startswith("ctx_")]
wide = frame.astype("float64").assign(note=1.5).drop(columns=context)
wide[wide.index < ROWS].sample(frac=1, random_state=1).sort_index().to_parquet("pandas.parquet")

# Arithmetic widens, a cast narrows, and the order of the columns changes.
frame = pl.read_parquet(SOURCE).head(ROWS)
frame.select(
    pl.col("tcp_win") * 1.0,
    pl.col("l4_payload_len").cast(pl.Int64) + 0,
    pl.col("flow_evt").cast(pl.Int8),
    pl.exclude("tcp_win", "l4_payload_len", "flow_evt"),
).write_parquet("polars.parquet")

# A column that the schema does not know.
columns = f"* exclude ({', '.join(context)}), row_number() over () as number"
duckdb.sql(f"copy (select {columns} from '{SOURCE}' limit {ROWS}) to 'duckdb.parquet'")

# Sums become floats, and version 2 has other pages and encodings.
columns = "* replace (tcp_win + 0 as tcp_win, sum(dir) over (rows current row) as dir)"
options = "format parquet, parquet_version v2"
duckdb.sql(f"copy (select {columns} from '{SOURCE}' limit {ROWS}) to 'duckdb-types.parquet' ({options})")
