import { checkOneOf, describe } from '../core/check.js';
import { type Clock, systemClock } from '../core/clock.js';
import { toVectorBatchError, VectorBatchError } from '../core/errors.js';
import { formatBytes } from '../core/units.js';
import type { Batch, Sink, SinkLimits, SinkOpenOptions, WriteOutcome } from '../ingest/ports.js';
import { inlineContext, type VectorContext } from '../vectors/pack.js';
import { toJsonText } from '../vectors/wire.js';
import { NebulaError, nebulaFailure, outcomeOfError } from './nebula-outcome.js';
import { importNebulaDriver, type NebulaAddress, type NebulaRows, NebulaSessions } from './nebula-session.js';
import { insertStatement, name, type VidType } from './nebula-statements.js';
import { percentDecoded } from './url.js';

const DEFAULT_PORT = 9669;
const DEFAULT_TAG = 'vectors';
/** graphd's flag `max_allowed_query_size`; a batch is one statement, so its limit of 512 statements does not bind. */
const MAX_BYTES = 4_194_304;
/** Streams of which more were of no use is not known of NebulaGraph; four is the profile's assumption. */
const MAX_CONCURRENCY = 4;
/** Text of a component of a normally distributed unit vector with its comma: 12.15 to 12.33 for 384 to 1536 dimensions. */
const COMPONENT_BYTES = 12.4;
/** A UUID, its quotes and those of the vector, brackets and commas. */
const ROW_BYTES = 56;
/** A new tag is known everywhere within two heartbeats of 10 s (`heartbeat_interval_secs`); thrice that is too long. */
const MAX_TAG_WAIT_MS = 60_000;
const MAX_STATS_WAIT_MS = 600_000;
const POLL_MS = 100;
const MAX_POLL_MS = 2_000;

export interface NebulaSinkOptions extends NebulaAddress {
  tag: string;
  /** How vertices are counted; `none` leaves reconciliation out. */
  count: 'stats' | 'none';
  clock?: Clock;
}

/**
 * `nebula://USER:PASSWORD@HOST:PORT/SPACE?tag=NAME&count=stats|none`. The port is 9669 unless given; the space
 * must exist, because how it is divided and copied is not for a load to decide.
 *
 * - `tag`: default `vectors`; created if there is none
 * - `count`: `stats` (default) counts by `SUBMIT JOB STATS`, which reads the whole space; `none` does not count
 *
 * The vertices get the properties `vector` and `payload`, both STRING and both JSON text: no release of 3.x stores
 * a list of floats for everyone, and the text reads back to the same float32.
 *
 * @throws VBO_ERR_URL, VBO_ERR_ARGUMENT
 */
export function openNebulaSink(url: URL): NebulaSink {
  const { tag = DEFAULT_TAG, count = 'stats' } = Object.fromEntries(url.searchParams);
  const space = percentDecoded(url.pathname.slice(1));
  if (url.hostname === '' || url.username === '') {
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `${describe(`nebula://${url.host}${url.pathname}`)} is not of the form nebula://USER:PASSWORD@HOST:PORT/SPACE.`,
    );
  }
  for (const [what, text] of Object.entries({ space, tag })) {
    if (/^[\p{L}_][\p{L}\p{N}_]*$/u.test(text)) continue;
    throw new VectorBatchError(
      'VBO_ERR_URL',
      `The ${what} is ${describe(text)}; expected letters, digits and underscores.`,
    );
  }
  return new NebulaSink({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    user: percentDecoded(url.username),
    password: percentDecoded(url.password),
    ...{ space, tag, count: checkOneOf(count, 'count', ['stats', 'none']) },
  });
}

/** Vertices of one tag of a NebulaGraph space. Storing a vertex twice stores it once. */
export class NebulaSink implements Sink {
  readonly name: string;
  readonly database = 'nebula';
  readonly upserts = true;
  /** Absent with `count=none`. */
  readonly count?: () => Promise<number>;
  readonly #options: NebulaSinkOptions;
  readonly #clock: Clock;
  readonly #context: VectorContext = inlineContext();
  #sessions: NebulaSessions | undefined;
  #vidType: VidType = { kind: 'integer' };
  #hasPayloads = false;
  #maxBytes = MAX_BYTES;

  constructor(options: NebulaSinkOptions) {
    const { host, port, space, tag, count } = options;
    this.name = `nebula://${host.includes(':') ? `[${host}]` : host}:${port}/${space}?tag=${tag}`;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    if (count === 'stats') this.count = () => this.#count();
  }

  /**
   * @throws VBO_ERR_MISSING_PACKAGE; VBO_ERR_SINK_UNREACHABLE; VBO_ERR_SINK if graphd refuses, or space or tag do
   *   not fit; VBO_ERR_DIMENSION if the tag was created for vectors of another dimension
   */
  async open({ dimension, idType, hasPayloads }: SinkOpenOptions): Promise<void> {
    const { space, tag } = this.#options;
    this.#sessions = new NebulaSessions(await importNebulaDriver(), this.#options);
    this.#vidType = vidTypeOf(await this.#ask(`DESCRIBE SPACE ${name(space)}`));
    if (this.#vidType.kind === 'integer' && idType === 'string') {
      throw this.#refuse('has integer vertex ids; the ids of the source are strings');
    }
    this.#hasPayloads = hasPayloads;
    await this.#ask(
      `CREATE TAG IF NOT EXISTS ${name(tag)}(\`vector\` string COMMENT "${dimensionNote(dimension)}", \`payload\` string)`,
    );
    this.#fit(await this.#ask(`DESCRIBE TAG ${name(tag)}`), dimension, hasPayloads);
    await this.#waitForTag();
  }

  /** 4 MiB a statement and 4 sessions at work. */
  limits(): SinkLimits {
    return { maxBytes: this.#maxBytes, maxConcurrency: MAX_CONCURRENCY };
  }

  bytesPerVector(dimension: number): number {
    return Math.ceil(COMPONENT_BYTES * dimension) + ROW_BYTES;
  }

  async write(batch: Batch, signal: AbortSignal): Promise<WriteOutcome> {
    const sessions = this.#sessions;
    if (!sessions) throw new VectorBatchError('VBO_ERR_CLOSED', `${this.name} is not open.`);
    const { tag } = this.#options;
    const target = { tag, vidType: this.#vidType, hasPayloads: this.#hasPayloads };
    try {
      const text = await toJsonText(this.#context, batch.vectors, { dimension: batch.dimension });
      const { statement, rejected } = insertStatement(batch, text, target);
      if (statement.length > this.#maxBytes) return this.#tooLarge(statement.length);
      if (statement.length > 0) await sessions.execute(statement, signal);
      return { kind: 'ok', bytesSent: statement.length, ...(rejected.length > 0 ? { rejected } : {}) };
    } catch (cause) {
      if (cause instanceof VectorBatchError && /NOT_FINITE|RECORD/.test(cause.code)) {
        return { kind: 'permanent', error: cause };
      }
      const outcome = outcomeOfError(this.name, cause);
      if (outcome.kind === 'shrink' && outcome.limits?.maxBytes) this.#maxBytes = outcome.limits.maxBytes;
      return outcome;
    }
  }

  async finish(): Promise<void> {}

  /** Drops the tag; its properties are removed at the next compaction, and counted no more. */
  async drop(): Promise<void> {
    await this.#ask(`DROP TAG ${name(this.#options.tag)}`);
  }

  async close(): Promise<void> {
    this.#sessions?.close();
    this.#sessions = undefined;
  }

  async #count(): Promise<number> {
    const job = (await this.#ask('SUBMIT JOB STATS'))[0]?.[0];
    if (!job) throw this.#refuse('does not number its job');
    await this.#poll(MAX_STATS_WAIT_MS, `job ${job} to finish`, async () => {
      const status = (await this.#ask(`SHOW JOB ${job}`))[0]?.[2];
      if (status === 'FAILED' || status === 'STOPPED')
        throw this.#refuse(`could not count: job ${job} ${status}`);
      return status === 'FINISHED';
    });
    const rows = await this.#ask('SHOW STATS');
    return Number(rows.find(([type, of]) => type === 'Tag' && of === this.#options.tag)?.[2] ?? 0);
  }

  /** A tag is there before graphd and storaged, which look at heartbeats, know of it. */
  async #waitForTag(): Promise<void> {
    const vid = this.#vidType.kind === 'integer' ? '0' : '""';
    const fetch = `FETCH PROP ON ${name(this.#options.tag)} ${vid} YIELD properties(vertex)`;
    await this.#poll(MAX_TAG_WAIT_MS, 'the tag to be known', async () => {
      try {
        await this.#ask(fetch);
        return true;
      } catch (error) {
        const code = (error as VectorBatchError).details.errorCode;
        // E_SEMANTIC_ERROR, E_TAG_NOT_FOUND, E_EXECUTION_ERROR ("Storage Error: Tag not found")
        if (code === -1009 || code === -6 || code === -1005) return false;
        throw error;
      }
    });
  }

  async #poll(maxMs: number, what: string, done: () => Promise<boolean>): Promise<void> {
    const startMs = this.#clock.now();
    for (let waitMs = POLL_MS; !(await done()); waitMs = Math.min(MAX_POLL_MS, 2 * waitMs)) {
      if (this.#clock.now() - startMs > maxMs) {
        throw new VectorBatchError('VBO_ERR_TIMEOUT', `${this.name}: waited ${maxMs / 1000} s for ${what}.`);
      }
      await this.#clock.sleep(waitMs);
    }
  }

  /** Runs a statement that is no write. */
  async #ask(statement: string): Promise<NebulaRows> {
    if (!this.#sessions) throw new VectorBatchError('VBO_ERR_CLOSED', `${this.name} is not open.`);
    try {
      return await this.#sessions.execute(statement);
    } catch (cause) {
      if (cause instanceof NebulaError) throw nebulaFailure(this.name, cause);
      throw toVectorBatchError(cause, 'VBO_ERR_SINK_UNREACHABLE', `${this.name} cannot be reached`);
    }
  }

  /** Rows of `DESCRIBE TAG`: field, type, null, default, comment. */
  #fit(fields: NebulaRows, dimension: number, hasPayloads: boolean): void {
    for (const wanted of hasPayloads ? ['vector', 'payload'] : ['vector']) {
      const type = fields.find(([field]) => field === wanted)?.[1];
      if (type === 'string') continue;
      throw this.#refuse(
        `has ${type ? `a property ${wanted} of ${type}` : `no property ${wanted}`}; expected string`,
      );
    }
    const note = fields.find(([field]) => field === 'vector')?.[4] ?? '';
    const stored = /^(\d+) float32/.exec(note)?.[1];
    if (stored === undefined || Number(stored) === dimension) return;
    throw new VectorBatchError(
      'VBO_ERR_DIMENSION',
      `${this.name} holds vectors of dimension ${stored}; the source has dimension ${dimension}.`,
      { details: { stored: Number(stored), dimension } },
    );
  }

  #tooLarge(byteLength: number): WriteOutcome {
    const error = new VectorBatchError(
      'VBO_ERR_SINK',
      `${this.name} takes statements of ${formatBytes(this.#maxBytes)}; this one has ${formatBytes(byteLength)}.`,
      { details: { byteLength, maxBytes: this.#maxBytes } },
    );
    return { kind: 'shrink', error, limits: { maxBytes: this.#maxBytes } };
  }

  #refuse(problem: string): VectorBatchError {
    return new VectorBatchError('VBO_ERR_SINK', `${this.name} ${problem}.`);
  }
}

/** Comment of the property, by which a later load tells the dimension. */
const dimensionNote = (dimension: number): string => `${dimension} float32 as a JSON array`;

/** Of `DESCRIBE SPACE`, whose row holds the type among others: `FIXED_STRING(32)` or `INT64`. */
function vidTypeOf(rows: NebulaRows): VidType {
  for (const value of rows[0] ?? []) {
    const byteLength = /^FIXED_STRING\((\d+)\)$/.exec(value ?? '')?.[1];
    if (byteLength) return { kind: 'string', byteLength: Number(byteLength) };
  }
  return { kind: 'integer' };
}
