import { open, writeFile } from 'node:fs/promises';
import * as arrow from 'apache-arrow';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';

/** Rows of a table for benchmarks: `id`, and `vector` of some dimension. */
export interface TableShape {
  rows: number;
  dimension: number;
  /** Rows of a row group or record batch. */
  groupRows: number;
}

const vectorsOf = (first: number, { groupRows, dimension }: TableShape): Float32Array =>
  Float32Array.from({ length: groupRows * dimension }, (_, i) => Math.sin(first * dimension + i));

/** Writes an Arrow IPC stream, batch by batch. */
export async function writeArrow(path: string, shape: TableShape): Promise<void> {
  const { rows, dimension, groupRows } = shape;
  const type = new arrow.FixedSizeList(dimension, new arrow.Field('item', new arrow.Float32(), true));
  const schema = new arrow.Schema([
    new arrow.Field('id', new arrow.Int32(), false),
    new arrow.Field('vector', type, false),
  ]);
  const file = await open(path, 'w');
  try {
    const writer = new arrow.RecordBatchStreamWriter();
    const written = (async () => {
      for await (const bytes of writer) await file.writeFile(bytes);
    })();
    for (let first = 0; first < rows; first += groupRows) {
      const ids = Int32Array.from({ length: groupRows }, (_, i) => first + i);
      const values = arrow.makeData({ type: new arrow.Float32(), data: vectorsOf(first, shape) });
      const children = [
        arrow.makeData({ type: new arrow.Int32(), data: ids }),
        arrow.makeData({ type, length: groupRows, nullCount: 0, child: values }),
      ];
      const data = arrow.makeData({ type: new arrow.Struct(schema.fields), length: groupRows, children });
      writer.write(new arrow.RecordBatch(schema, data));
    }
    writer.finish();
    await written;
  } finally {
    await file.close();
  }
}

/** Writes a Parquet file with pages of 1 MiB, as the usual writers do. */
export async function writeParquet(path: string, shape: TableShape): Promise<void> {
  const { rows, dimension, groupRows } = shape;
  const writer = new ByteWriter();
  const parquet = new ParquetWriter({
    writer,
    schema: [
      { name: 'root', num_children: 2 },
      { name: 'id', type: 'INT32', repetition_type: 'REQUIRED' },
      { name: 'vector', repetition_type: 'REQUIRED', num_children: 1, converted_type: 'LIST' },
      { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
      { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
    ],
    codec: 'SNAPPY',
  });
  for (let first = 0; first < rows; first += groupRows) {
    const vectors = vectorsOf(first, shape);
    parquet.write({
      columnData: [
        { name: 'id', data: Int32Array.from({ length: groupRows }, (_, i) => first + i) },
        {
          name: 'vector',
          data: Array.from({ length: groupRows }, (_, i) =>
            Array.from(vectors.subarray(i * dimension, (i + 1) * dimension)),
          ),
          encoding: 'PLAIN',
        },
      ],
      rowGroupSize: groupRows,
    });
  }
  parquet.finish();
  await writeFile(path, writer.getBytes());
}
