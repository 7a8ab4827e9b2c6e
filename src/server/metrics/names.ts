/** Every metric of `/metrics` that is the service's own, by its part. `vbo_process_*` and `vbo_nodejs_*` come from prom-client. */
export const METRICS = {
  requestSeconds: {
    name: 'vbo_http_request_duration_seconds',
    help: 'Time from a request’s headers to the end of its answer, by route and status',
  },
  refusals: { name: 'vbo_http_refusals_total', help: 'Requests that were answered by an error, by code' },
  internalErrors: { name: 'vbo_http_internal_errors_total', help: 'Requests that were answered by 500' },
  algorithmSeconds: {
    name: 'vbo_algorithm_duration_seconds',
    help: 'Time of the calculation alone, by algorithm',
  },
  poolThreads: { name: 'vbo_pool_threads', help: 'Worker threads of the kernel pool that are alive' },
  poolQueued: { name: 'vbo_pool_queue_length', help: 'Kernel calls that wait for a worker thread' },
  poolUtilization: {
    name: 'vbo_pool_utilization_ratio',
    help: 'Share of the worker threads’ time that kernel calls took',
  },
  heavyActive: { name: 'vbo_heavy_requests_active', help: 'Heavy requests that are being worked on' },
  heavyQueued: {
    name: 'vbo_heavy_requests_queued',
    help: 'Heavy requests that wait; beyond VBO_QUEUE_LIMIT they are refused',
  },
  memoryUsed: { name: 'vbo_wasm_memory_used_bytes', help: 'WebAssembly memory that vectors take now' },
  memoryPeak: { name: 'vbo_wasm_memory_peak_bytes', help: 'The most WebAssembly memory that vectors took' },
  memoryReserved: { name: 'vbo_wasm_memory_reserved_bytes', help: 'Size of the WebAssembly memory' },
  runs: { name: 'vbo_runs', help: 'Loads and tunings under way, by kind' },
  runsEnded: { name: 'vbo_runs_ended_total', help: 'Loads and tunings that ended, by kind and how' },
  batches: {
    name: 'vbo_batches_total',
    help: 'Requests to databases, by outcome: success or failure, tried again or not',
  },
  vectors: { name: 'vbo_vectors_total', help: 'Vectors that were acknowledged or rejected' },
  runBatchSize: { name: 'vbo_run_batch_size', help: 'Vectors per request that a run uses now' },
  runConcurrency: { name: 'vbo_run_concurrency', help: 'Requests in flight that a run uses now' },
  runRate: { name: 'vbo_run_vectors_per_second', help: 'Vectors per second that a run loads now' },
  runLatency: { name: 'vbo_run_batch_latency_seconds', help: 'Time of a run’s requests so far, by quantile' },
  runEta: { name: 'vbo_run_eta_seconds', help: 'Time that a run will still take' },
  gain: {
    name: 'vbo_gain_over_default_ratio',
    help: 'Rate of the last run’s best setting over the default’s (100 per request, 1 in flight; a tune measures 128), by database',
  },
  modelError: {
    name: 'vbo_model_relative_error',
    help: 'Median |predicted / measured - 1| of the rate, by database and dimension',
  },
  auditLines: {
    name: 'vbo_audit_lines_total',
    help: 'Lines of the audit log, those of earlier processes included',
  },
} as const;
