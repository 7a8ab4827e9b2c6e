import { VectorBatchError } from '../core/errors.js';
import type { RunAnswer, RunList } from '../server/schemas/runs.js';

/** A service at one moment: what its metrics and its runs say. Counters count from its start. */
export interface Snapshot {
  readonly url: string;
  /** Unix time, ms. */
  readonly atMs: number;
  readonly uptimeSeconds: number;
  readonly requests: {
    readonly total: number;
    /** Answered by 5xx. */
    readonly failed: number;
    readonly refusedByCode: Readonly<Record<string, number>>;
    /** Requests by the time they took at most, in seconds; cumulative. */
    readonly secondsAtMost: Readonly<Record<string, number>>;
  };
  readonly loads: {
    readonly batches: { readonly success: number; readonly failure: number };
    readonly vectors: { readonly acknowledged: number; readonly rejected: number };
    /** Rate of the last run's best setting over the default's, by database. */
    readonly gainByDatabase: Readonly<Record<string, number>>;
  };
  /** Median |predicted / measured - 1|, by database and dimension. */
  readonly modelError: readonly { database: string; dimension: number; relativeError: number }[];
  readonly pool: { readonly threads: number; readonly queued: number; readonly utilization: number };
  readonly memory: { readonly residentBytes: number; readonly vectorBytes: number };
  readonly eventLoopP99Ms: number;
  readonly runs: readonly MonitoredRun[];
}

export interface MonitoredRun {
  readonly id: string;
  readonly kind: RunAnswer['kind'];
  readonly state: RunAnswer['state'];
  readonly what: string;
  readonly done: number;
  readonly total: number | null;
  readonly rejected: number;
  readonly vectorsPerSecond: number | null;
  readonly latencyMs: { readonly p50: number; readonly p95: number } | null;
  readonly batchSize: number | null;
  readonly concurrency: number | null;
  readonly reason: string | null;
  readonly etaMs: number | null;
}

/**
 * Asks a service for its metrics and runs.
 * @param credential an API key or a token, if the service wants one
 * @throws VBO_ERR_SERVICE if it does not answer, wants another credential or is no such service; VBO_ERR_ABORTED
 */
export async function takeSnapshot(
  url: string,
  credential: string | undefined,
  signal: AbortSignal,
): Promise<Snapshot> {
  const [metrics, runs] = await Promise.all([
    ask(url, '/metrics', credential, signal).then((answer) => answer.text()),
    ask(url, '/api/v1/runs', credential, signal).then((answer) => answer.json() as Promise<RunList>),
  ]);
  return snapshotOf(url, Date.now(), parseMetrics(metrics), runs.runs);
}

const PATIENCE_MS = 5000;

async function ask(
  url: string,
  path: string,
  credential: string | undefined,
  signal: AbortSignal,
): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(new URL(path.slice(1), url.endsWith('/') ? url : `${url}/`), {
      headers: credentialHeader(credential),
      signal: AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]),
    });
  } catch (cause) {
    if (signal.aborted) throw new VectorBatchError('VBO_ERR_ABORTED', 'Interrupted.', { cause });
    const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : (cause as Error);
    const reason = (inner as NodeJS.ErrnoException).code ?? inner.message;
    throw new VectorBatchError('VBO_ERR_SERVICE', `The service at ${url} does not answer: ${reason}.`, {
      cause,
    });
  }
  if (answer.ok) return answer;
  const reason =
    answer.status === 401 || answer.status === 403
      ? `${credential === undefined ? 'wants a credential' : 'refuses the credential'}; set VBO_API_KEY to a key or a token that may see runs`
      : `answers ${answer.status} to ${path}; is it vbo serve?`;
  throw new VectorBatchError('VBO_ERR_SERVICE', `The service at ${url} ${reason}.`);
}

function credentialHeader(credential: string | undefined): Record<string, string> {
  if (credential === undefined) return {};
  // A JSON Web Token has three parts and begins with the base64 of `{"`.
  return /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(credential)
    ? { authorization: `Bearer ${credential}` }
    : { 'x-api-key': credential };
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The samples of Prometheus' text format. */
export function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const [, name, labels = '', value] = /^([a-z_:][\w:]*)(?:\{(.*)\})? (\S+)/i.exec(line) ?? [];
    if (name === undefined) continue;
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [
      key!,
      text!.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
    ]);
    samples.push({ name, labels: Object.fromEntries(pairs), value: Number(value) });
  }
  return samples;
}

export function snapshotOf(
  url: string,
  atMs: number,
  samples: readonly Sample[],
  runs: readonly RunAnswer[],
): Snapshot {
  const all = (name: string) => samples.filter((sample) => sample.name === name);
  const sum = (name: string, wanted: (labels: Sample['labels']) => boolean = () => true) =>
    all(name).reduce((total, { labels, value }) => total + (wanted(labels) ? value : 0), 0);
  const by = (name: string, label: string) => {
    const totals: Record<string, number> = {};
    for (const { labels, value } of all(name)) totals[labels[label]!] = (totals[labels[label]!] ?? 0) + value;
    return totals;
  };
  const requests = 'vbo_http_request_duration_seconds';
  const outcome = (name: string, value: string) => sum(name, ({ outcome }) => outcome === value);
  return {
    url,
    atMs,
    uptimeSeconds: Math.max(0, atMs / 1000 - sum('vbo_process_start_time_seconds')),
    requests: {
      total: sum(`${requests}_count`),
      failed: sum(`${requests}_count`, ({ status = '' }) => status.startsWith('5')),
      refusedByCode: by('vbo_http_refusals_total', 'code'),
      secondsAtMost: by(`${requests}_bucket`, 'le'),
    },
    loads: {
      batches: {
        success: outcome('vbo_batches_total', 'success'),
        failure: outcome('vbo_batches_total', 'failure'),
      },
      vectors: {
        acknowledged: outcome('vbo_vectors_total', 'acknowledged'),
        rejected: outcome('vbo_vectors_total', 'rejected'),
      },
      gainByDatabase: by('vbo_gain_over_default_ratio', 'database'),
    },
    modelError: all('vbo_model_relative_error').map(({ labels, value }) => ({
      database: labels.database ?? '',
      dimension: Number(labels.dimension),
      relativeError: value,
    })),
    pool: {
      threads: sum('vbo_pool_threads'),
      queued: sum('vbo_pool_queue_length'),
      utilization: sum('vbo_pool_utilization_ratio'),
    },
    memory: {
      residentBytes: sum('vbo_process_resident_memory_bytes'),
      vectorBytes: sum('vbo_wasm_memory_used_bytes'),
    },
    eventLoopP99Ms: 1000 * sum('vbo_nodejs_eventloop_lag_p99_seconds'),
    runs: runs.map(monitoredRun),
  };
}

function monitoredRun({ id, kind, state, source, sink, progress }: RunAnswer): MonitoredRun {
  return {
    ...{ id, kind, state },
    what: source === null ? sink : `${source} → ${sink}`,
    done: progress?.done ?? 0,
    total: progress?.total ?? null,
    rejected: progress?.rejected ?? 0,
    vectorsPerSecond: progress?.vectors_per_second ?? null,
    latencyMs: progress?.latency_ms ?? null,
    batchSize: progress?.setting.batch_size ?? null,
    concurrency: progress?.setting.concurrency ?? null,
    reason: progress?.reason ?? null,
    etaMs: progress?.eta_ms ?? null,
  };
}
