import { open, rename, rm } from 'node:fs/promises';
import { checkOneOf } from '../core/check.js';
import { systemClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { Random } from '../core/random.js';
import { formatBytes, formatCount, formatDuration } from '../core/units.js';
import type { Source } from '../ingest/ports.js';
import { Kernels } from '../kernels/kernels.js';
import { KernelPool } from '../pool/pool.js';
import type { CompactOptions } from '../vectors/compact.js';
import { compactStream } from '../vectors/compact-stream.js';
import { CALIBRATION_NAMES, DEFAULT_CALIBRATION, ENCODING_NAMES } from '../vectors/encoding.js';
import type { VectorContext } from '../vectors/pack.js';
import { recallOnSample, type SampleRecall, type SampleRecallReport } from '../vectors/recall.js';
import { type Command, EXIT, requiredText } from './command.js';
import { errorLine } from './error-line.js';
import { interruptible } from './interrupt.js';
import { ProgressLine } from './progress-line.js';
import { COLUMN_OPTIONS, FILE_NOTE, MEMORY_OPTION, memoryOption, openFileSource } from './source-options.js';

const MOST_CHUNK_BYTES = 8_000_000;
const MOST_SAMPLE_ROWS = 10_000;

const command: Command = {
  summary: 'packs and quantizes a file of vectors into one compact file',
  usage: 'compact FILE OUT --encoding int8 [--calibration vector] [--memory 512MB] [--report]',
  positionals: 2,
  note: FILE_NOTE,
  options: [
    { name: 'encoding', value: 'NAME', text: ENCODING_NAMES.join(', ') },
    {
      name: 'calibration',
      value: 'NAME',
      text: `of int8: ${CALIBRATION_NAMES.join(', ')} (default ${DEFAULT_CALIBRATION})`,
    },
    MEMORY_OPTION,
    { name: 'report', text: `also measure recall@10 on a sample` },
    ...COLUMN_OPTIONS.filter(({ name }) => name === 'vector-column'),
  ],
  async run(invocation) {
    const [input, output] = invocation.positionals as [string, string];
    const encoding = checkOneOf(requiredText(invocation, 'encoding'), '--encoding', ENCODING_NAMES);
    const wanted = invocation.text('calibration');
    const settings: CompactOptions =
      wanted === undefined
        ? { encoding }
        : { encoding, calibration: checkOneOf(wanted, '--calibration', CALIBRATION_NAMES) };
    const memoryBytes = memoryOption(invocation);
    const chunkBytes = Math.max(65_536, Math.min(MOST_CHUNK_BYTES, Math.floor(memoryBytes / 8)));
    const open = () => openFileSource(input, invocation, { memoryBytes, chunkBytes, payloadColumns: [] });
    const kernels = Kernels.shared();
    const pool = new KernelPool(kernels);
    const context: VectorContext = { kernels, runner: pool };
    const started = systemClock.now();
    const line = new ProgressLine();
    try {
      const done = await interruptible((signal) =>
        compactFile(context, open, output, settings, chunkBytes, signal, line),
      );
      const recall = invocation.flag('report')
        ? await sampleRecall(context, open, settings, memoryBytes)
        : undefined;
      line.clear();
      const answer = {
        input,
        output,
        encoding,
        ...done,
        sourceBytes: done.rows * done.dimension * 4,
        bytesPerVector: done.byteLength / Math.max(1, done.rows),
        compression: (done.rows * done.dimension * 4) / done.byteLength,
        seconds: (systemClock.now() - started) / 1000,
        ...(recall === undefined ? {} : { recall }),
      };
      invocation.answer(answer, () =>
        [
          `${formatCount(answer.rows)} vectors of ${answer.dimension} dimensions as ${encoding} in ${output}, ${formatDuration(answer.seconds * 1000)}`,
          `  size         ${formatBytes(answer.byteLength)}, ${answer.compression.toFixed(1)} times less than float32`,
          `  a vector     ${answer.bytesPerVector.toFixed(1)} bytes`,
          ...(recall
            ? [
                `  recall@${recall.k}    ${recall.recall.toFixed(4)}, ${recall.recallRescored.toFixed(4)} with the best ${10 * recall.k} re-scored, against float32: ${recall.queries} queries on ${formatCount(recall.rows)} vectors`,
              ]
            : []),
        ].join('\n'),
      );
      return EXIT.done;
    } catch (error) {
      line.clear();
      if (!(error instanceof VectorBatchError) || error.code !== 'VBO_ERR_ABORTED') throw error;
      process.stderr.write(errorLine(error));
      return EXIT.interrupted;
    } finally {
      await pool.close();
    }
  },
};

/** Rows of a file, every one of them: a record that cannot be read would shift the rows behind it. */
async function* strictChunks(source: Source): AsyncGenerator<{ vectors: Float32Array }> {
  for await (const { vectors, rejected } of source) {
    const first = rejected?.[0];
    if (first)
      throw new VectorBatchError(first.code, first.message, { details: { position: first.position } });
    yield { vectors };
  }
}

async function compactFile(
  context: VectorContext,
  openInput: () => Promise<Source>,
  output: string,
  settings: CompactOptions,
  chunkBytes: number,
  signal: AbortSignal,
  line: ProgressLine,
): Promise<{ rows: number; dimension: number; byteLength: number }> {
  const source = await openInput();
  // The finished file appears at once or not at all.
  const partial = `${output}.partial`;
  const file = await open(partial, 'w').catch((error) => {
    throw toVectorBatchError(error, 'VBO_ERR_FILE_NOT_FOUND', `Cannot write ${output}`);
  });
  try {
    const write = async (bytes: Uint8Array, position: number) => {
      for (let from = 0; from < bytes.byteLength; ) {
        const { bytesWritten } = await file.write(bytes, from, bytes.byteLength - from, position + from);
        from += bytesWritten;
      }
    };
    const total = source.count ? ` of ${formatCount(source.count)}` : '';
    const onProgress = ({ pass, rows }: { pass: 1 | 2; rows: number }) =>
      line.draw(`${pass === 1 ? 'calibrating' : 'encoding'}: ${formatCount(rows)}${total} vectors`);
    const { dimension } = source;
    const open = () => strictChunks(source);
    const done = await compactStream(context, open, write, {
      ...settings,
      dimension,
      chunkBytes,
      onProgress,
      signal,
    });
    await file.sync();
    await file.close();
    await rename(partial, output);
    return { ...done, dimension };
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  } finally {
    await source.close?.();
  }
}

/** recall@10 of the encoding on rows drawn evenly at random from the file (reservoir sampling, Vitter 1985). */
async function sampleRecall(
  context: VectorContext,
  openInput: () => Promise<Source>,
  settings: CompactOptions,
  memoryBytes: number,
): Promise<SampleRecall & Omit<SampleRecallReport, 'encodings'>> {
  const source = await openInput();
  const { dimension } = source;
  // The sample, its packed form and its codes are held at once.
  const sampleRows = Math.max(2, Math.min(MOST_SAMPLE_ROWS, Math.floor(memoryBytes / (8 * 4 * dimension))));
  const random = new Random(1);
  const sample: Float32Array[] = [];
  let seen = 0;
  for await (const { vectors } of strictChunks(source)) {
    for (let first = 0; first < vectors.length; first += dimension) {
      const place = seen < sampleRows ? seen : random.integer(seen + 1);
      if (place < sampleRows) sample[place] = vectors.slice(first, first + dimension);
      seen++;
    }
  }
  await source.close?.();
  const { k, rows, queries, encodings } = await recallOnSample(context, sample, [settings], random);
  return { ...encodings[0]!, k, rows, queries };
}

export default command;
