"""Writes the table files of this folder with the writers that users have: pyarrow and polars.

python -m venv v && v/bin/pip install pyarrow polars && v/bin/python make.py

Row i of every file: id = i (or what the file's name says), vector = [i, i / 2, -i, 0.25], title = "row i".
"""

import datetime

import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

ROWS = 300
ids = list(range(ROWS))
vectors = [[i, i / 2, -i, 0.25] for i in ids]
titles = [f"row {i}" for i in ids]


def table(vector_type, id_type=pa.int64(), vectors=vectors, ids=ids, **more):
    columns = {"id": pa.array(ids, id_type), "vector": pa.array(vectors, vector_type), "title": pa.array(titles)}
    return pa.table({**columns, **more})


fixed32 = pa.list_(pa.float32(), 4)
nested = {
    "tags": pa.array([[f"t{i}", None] if i % 3 else None for i in ids], pa.list_(pa.string())),
    "origin": pa.array([{"page": i, "when": datetime.datetime(2024, 1, 1 + i % 28)} if i % 5 else None for i in ids]),
    "kind": pa.array(["a" if i % 2 else "b" for i in ids]).dictionary_encode(),
    "big": pa.array([2**60 + i for i in ids], pa.int64()),
}
holes = [None if i == 7 else [] if i == 8 else [1, None, 3, 4] if i == 9 else [1, 2] if i == 10 else v for i, v in enumerate(vectors)]

# Parquet, every codec and page version.
for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    pq.write_table(table(pa.list_(pa.float32())), f"list-{codec}.parquet", compression=codec, row_group_size=128)
pq.write_table(table(fixed32), "pages-v2.parquet", data_page_version="2.0", row_group_size=200, data_page_size=512)
pq.write_table(table(pa.list_(pa.float64())), "double-plain.parquet", use_dictionary=False, data_page_size=512)
pq.write_table(table(pa.list_(pa.float32())), "split.parquet", use_dictionary=False, use_byte_stream_split=["vector.list.element"])
pq.write_table(table(pa.list_(pa.float16())), "half.parquet")
pq.write_table(table(pa.list_(pa.float32()), vectors=holes), "holes.parquet", data_page_size=256, write_batch_size=16)
pq.write_table(table(fixed32, **nested), "nested.parquet", data_page_size=256, write_batch_size=16, row_group_size=128)
pq.write_table(table(fixed32, pa.int64(), ids=[2**53 + i for i in ids]), "large-ids.parquet")
pq.write_table(
    table(pa.binary(16), vectors=[pa.array(v, pa.float32()).buffers()[1].to_pybytes() for v in vectors]), "bytes.parquet"
)
pl.DataFrame({"id": ids, "vector": pl.Series(vectors, dtype=pl.List(pl.Float32)), "title": titles}).write_parquet(
    "polars.parquet", row_group_size=100
)

# Arrow, files and streams.
for codec in ["lz4", "zstd", "uncompressed"]:
    feather.write_feather(table(fixed32, **nested), f"fixed-{codec}.feather", compression=codec, chunksize=128)
for name, type_ in [("list32", pa.list_(pa.float32())), ("fixed16", pa.list_(pa.float16(), 4)), ("fixed64", pa.list_(pa.float64(), 4))]:
    with pa.ipc.new_stream(f"{name}.arrows", table(type_).schema) as writer:
        writer.write_table(table(type_), max_chunksize=77)
with pa.ipc.new_file("holes.arrow", table(pa.list_(pa.float32())).schema) as writer:
    writer.write_table(table(pa.list_(pa.float32()), vectors=holes), max_chunksize=100)
with pa.ipc.new_file("large-ids.arrow", table(fixed32).schema) as writer:
    writer.write_table(table(fixed32, ids=[2**53 + i for i in ids]), max_chunksize=100)
pl.DataFrame({"id": ids, "vector": pl.Series(vectors, dtype=pl.Array(pl.Float32, 4)), "title": titles}).write_ipc(
    "polars.arrow", compat_level=pl.CompatLevel.oldest()
)
