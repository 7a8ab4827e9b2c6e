import { describe } from '../core/check.js';
import { VectorBatchError } from '../core/errors.js';
import { formatCount } from '../core/units.js';
import { Ledger } from './ledger.js';
import { LEDGER_VERSION, type LedgerHeader, type LedgerState } from './ledger-state.js';
import type { ResolvedIngestOptions } from './options.js';
import type { Sink, Source } from './ports.js';
import type { Counts } from './reconcile.js';

/** The header of a load's ledger. */
export async function headerOf(
  source: Source,
  sink: Sink,
  shape: LedgerHeader['shape'],
  { idOffset, storedBefore }: { idOffset: number; storedBefore: number | undefined },
): Promise<LedgerHeader> {
  return {
    ...{ ledger: 'vector-batch-optimizer', version: LEDGER_VERSION },
    source: await identityOf(source),
    ...{ sink: sink.name, shape, storedBefore: storedBefore ?? null },
    ...(idOffset === 0 ? {} : { idOffset }),
  };
}

const identityOf = async (source: Source): Promise<LedgerHeader['source']> => ({
  ...{ name: source.name, dimension: source.dimension, count: source.count ?? null },
  fingerprint: (await source.fingerprint?.()) ?? null,
});

/**
 * What the ledger at `path` knows of a load of `source` into `sink` that is to be gone on with; undefined if the load
 * begins. A ledger of an unfinished load is never overwritten: without it the load could only be started again. One
 * that has settled nothing is gone on with unasked, since that is where the load begins too.
 *
 * @throws VBO_ERR_LEDGER_EXISTS if there is one and `resume` is false; VBO_ERR_LEDGER_MISMATCH if it is of another
 *   source, sink or version; VBO_ERR_LEDGER_DAMAGED; VBO_ERR_FILE_NOT_FOUND if it cannot be read
 */
export async function readPast(
  path: string,
  options: Pick<ResolvedIngestOptions, 'resume' | 'idOffset'>,
  source: Source,
  sink: Sink,
): Promise<LedgerState | undefined> {
  const state = await Ledger.read(path);
  if (!state) return undefined;
  const { header } = state;
  const mismatch = ({ what, found, expected }: Mismatch) =>
    new VectorBatchError(
      'VBO_ERR_LEDGER_MISMATCH',
      `The ledger ${describe(path)} is of another ${what}: ${found}; expected ${expected}.`,
      { details: { path, what, found, expected } },
    );
  if (header.version !== LEDGER_VERSION) {
    throw mismatch({ what: 'version', found: header.version, expected: LEDGER_VERSION });
  }
  if (!options.resume) {
    const isForgotten = sink.ephemeral === true && header.sink === sink.name;
    if (state.isComplete || state.isBlank || isForgotten) return undefined;
  }
  const other = await mismatchOf(header, options.idOffset, source, sink);
  if (options.resume && other) throw mismatch(other);
  if (options.resume || (!other && state.settled.size === 0)) return state;
  throw new VectorBatchError(
    'VBO_ERR_LEDGER_EXISTS',
    `The ledger ${describe(path)} holds an unfinished load of ${header.source.name} into ${header.sink}, ${formatCount(state.settled.size)} records settled: resume it, remove it to start again, or name another ledger.`,
    { details: { path, source: header.source.name, sink: header.sink, settled: state.settled.size } },
  );
}

interface Mismatch {
  readonly what: string;
  readonly found: unknown;
  readonly expected: unknown;
}

/** In what a ledger is not of this load, if anything. */
async function mismatchOf(
  header: LedgerHeader,
  idOffset: number | undefined,
  source: Source,
  sink: Sink,
): Promise<Mismatch | undefined> {
  const actual = await identityOf(source);
  const isSame =
    header.source.fingerprint === actual.fingerprint &&
    header.source.dimension === actual.dimension &&
    header.source.count === actual.count &&
    // A file may be moved; a source that cannot be told by its content is told by its name.
    (actual.fingerprint !== null || header.source.name === actual.name);
  if (!isSame) {
    return { what: 'source', found: JSON.stringify(header.source), expected: JSON.stringify(actual) };
  }
  if (header.sink !== sink.name) return { what: 'sink', found: header.sink, expected: sink.name };
  const known = header.idOffset ?? 0;
  if (idOffset === undefined || idOffset === known) return undefined;
  return { what: 'id offset', found: known, expected: idOffset };
}

/**
 * Checks that a load that was to be resumed, but has no ledger, may begin at the start.
 *
 * @param count records the sink holds now
 * @throws VBO_ERR_RESUME if it holds some and adds what it is sent: they may be of this very load
 */
export function checkBeginning(ledger: string, sink: Sink, count: number | undefined): void {
  if (!count || sink.ephemeral || sink.upserts === true) return;
  throw new VectorBatchError(
    'VBO_ERR_RESUME',
    `There is no ledger ${describe(ledger)} to resume from, and ${sink.name} holds ${formatCount(count)} records, which sending them again could store twice. If they are of this load and it ended well, there is nothing left to do; if it was cut short, name its ledger; to add records to others, load without resuming.`,
    { details: { ledger, count } },
  );
}

/**
 * Where the ids of a load that begins are to begin.
 *
 * @param asked what the caller wants
 * @param count records the sink holds now
 * @throws VBO_ERR_ID_OFFSET if that would be over the ids of stored records without a word from the caller;
 *   VBO_ERR_ARGUMENT if the source has ids of its own
 */
export function idOffsetOf(
  asked: number | undefined,
  { name }: Source,
  { hasIds }: LedgerHeader['shape'],
  sink: Sink,
  count: number | undefined,
): number {
  if (hasIds && asked !== undefined) {
    throw new VectorBatchError(
      'VBO_ERR_ARGUMENT',
      `The id offset is ${asked}; ${describe(name)} has ids of its own.`,
    );
  }
  if (hasIds || asked !== undefined || !count || sink.ephemeral) return asked ?? 0;
  throw new VectorBatchError(
    'VBO_ERR_ID_OFFSET',
    `${sink.name} holds ${formatCount(count)} records, and ${describe(name)} has no ids: numbered from 0 its records could take the place of those. An id offset (--id-offset N) numbers them from N, which must be beyond every stored id; an offset of 0 says that they are to replace them.`,
    { details: { source: name, count } },
  );
}

/** Records of the source that an earlier run may have stored without it being written down. */
export function inDoubt(past: LedgerState, source: Source): number {
  const sent = Math.min(past.sent, source.count ?? Number.POSITIVE_INFINITY);
  return sent - past.settled.countBelow(sent);
}

/**
 * Checks that the sink still holds what the ledger says it does, and that what is in doubt can be sent again.
 *
 * @param count records the sink holds now
 * @throws VBO_ERR_RECONCILE if it holds less; VBO_ERR_RESUME if it might come to hold records twice
 */
export function checkHeld(past: LedgerState, source: Source, sink: Sink, count: number | undefined): void {
  if (sink.ephemeral) return;
  const { storedBefore } = past.header;
  const doubt = inDoubt(past, source);
  const known = storedBefore === null ? undefined : storedBefore + past.stored.size;
  const mayHaveReplaced = sink.upserts === true && (storedBefore !== 0 || past.isUnchecked);
  if (count !== undefined && known !== undefined && count < known && !mayHaveReplaced) {
    throw new VectorBatchError(
      'VBO_ERR_RECONCILE',
      `${sink.name} holds ${formatCount(count)} records; by the ledger it acknowledged enough for ${formatCount(known)}. Records were removed, or the collection is another one.`,
      { details: { count, known } },
    );
  }
  // Without replacing, only a count that shows nothing of it to be stored allows to send it again.
  if (doubt === 0 || sink.upserts || (count !== undefined && count === known)) return;
  throw new VectorBatchError(
    'VBO_ERR_RESUME',
    `${formatCount(doubt)} records may or may not be stored in ${sink.name}, which ${count === undefined ? 'cannot count' : `holds ${formatCount(count)} of the expected ${formatCount(known ?? 0)}`} and cannot replace them by id: sending them again could store them twice.`,
    { details: { inDoubt: doubt, count, known } },
  );
}

/**
 * What the sink's count is to be held against at the end: the whole load where the sink's first count still
 * means something, else this run alone.
 *
 * @param now records the sink holds before this run
 */
export function countsOf(
  past: LedgerState | undefined,
  source: Source,
  sink: Sink,
  now: number | undefined,
): Omit<Counts, 'after'> {
  if (!past) return { before: now, acknowledged: 0, mayReplace: 0 };
  if (sink.ephemeral) return { before: now, acknowledged: 0, mayReplace: 0 };
  const { storedBefore } = past.header;
  const mayReplace = inDoubt(past, source);
  const acknowledged = past.stored.size;
  const others = storedBefore === null ? Infinity : (now ?? 0) - (storedBefore + acknowledged + mayReplace);
  return others > 0
    ? { before: now, acknowledged: 0, mayReplace }
    : { before: storedBefore ?? undefined, acknowledged, mayReplace: 0 };
}
