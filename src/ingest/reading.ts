import type { Bell } from './bell.js';
import type { Intake } from './intake.js';
import type { RejectedRecord, SourceChunk } from './ports.js';
import type { ReadAhead } from './read-ahead.js';
import type { Tally } from './tally.js';

export interface ReadingOptions {
  readonly chunks: AsyncIterator<SourceChunk>;
  /** What `chunks` has given already. */
  readonly first: IteratorResult<SourceChunk>;
  readonly intake: Intake;
  readonly readAhead: ReadAhead;
  readonly tally: Tally;
  readonly bell: Bell;
  /** Aborts when nothing more is to be read. */
  readonly stop: AbortSignal;
  /** Reading pauses while so many rows wait. */
  readonly rowsToReadAhead: () => number;
  readonly reject: (record: RejectedRecord) => Promise<void>;
}

/**
 * Reads a source to its end, or until it is stopped, into the read-ahead.
 * @throws what the source throws
 */
export async function readAll(options: ReadingOptions): Promise<void> {
  const { chunks, first, intake, readAhead, tally, bell, stop, rowsToReadAhead, reject } = options;
  let result: IteratorResult<SourceChunk> | undefined = first;
  for (; result && !result.done; result = await untilAborted(chunks.next(), stop)) {
    for (const incoming of intake.rowsOf(result.value)) tally.items += await readAhead.append(incoming);
    for (const record of intake.takeRejected()) {
      tally.items++;
      await reject(record);
    }
    while (!stop.aborted && readAhead.rows >= rowsToReadAhead()) await bell.wait();
  }
}

/** The value, or undefined as soon as the signal aborts. */
export async function untilAborted<T>(value: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  if (signal.aborted) {
    value.catch(() => {});
    return undefined;
  }
  return new Promise((resolve, reject) => {
    const stopped = () => resolve(undefined);
    signal.addEventListener('abort', stopped, { once: true });
    value.then(resolve, reject).finally(() => signal.removeEventListener('abort', stopped));
  });
}
