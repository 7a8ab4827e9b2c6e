import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Run } from '../runs/run.js';
import type { Runs } from '../runs/runs.js';
import { RunAnswer, type RunEvent, RunId, RunList, StartRunBody } from '../schemas/runs.js';

/** A comment this often keeps proxies from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;
/** A watcher who is this far behind misses `progress` events. */
const MOST_BUFFERED_BYTES = 262_144;

/** The routes under `/api/v1/runs`. */
export const runRoutes: FastifyPluginAsyncTypebox<{ runs: Runs }> = async (app, { runs }) => {
  const config = { scope: 'run' } as const;
  const tags = ['runs'];

  app.post(
    '',
    {
      config: { ...config, mutates: true },
      schema: {
        ...{ tags, summary: 'Start a load or a tuning on the server' },
        body: StartRunBody,
        response: { 202: RunAnswer },
      },
    },
    async (request, reply) => {
      const run = await runs.start(request.body, request.principal!);
      request.runId = run.facts.id;
      return reply.code(202).header('location', `/api/v1/runs/${run.facts.id}`).send(run.toAnswer());
    },
  );

  app.get(
    '',
    {
      config,
      schema: { tags, summary: 'The runs of the last hour, newest first', response: { 200: RunList } },
    },
    async (request) => ({
      runs: runs.list(request.principal!).map((run) => run.toAnswer()),
      allowed: await runs.targets(),
    }),
  );

  app.get(
    '/:id',
    {
      config,
      schema: { tags, summary: 'Where a run is', params: RunId, response: { 200: RunAnswer } },
    },
    async (request) => runs.get(request.params.id, request.principal!).toAnswer(),
  );

  app.delete(
    '/:id',
    {
      config: { ...config, mutates: true },
      schema: {
        ...{ tags, summary: 'Cancel a run: it ends at a batch boundary, with its ledger' },
        params: RunId,
        response: { 202: RunAnswer },
      },
    },
    async (request, reply) => {
      const run = runs.get(request.params.id, request.principal!);
      runs.cancel(run);
      request.runId = run.facts.id;
      return reply.code(202).send(run.toAnswer());
    },
  );

  app.get(
    '/:id/events',
    {
      config,
      schema: {
        ...{
          tags,
          summary: 'Watch a run: server-sent events; Last-Event-ID goes on where a stream broke off',
        },
        params: RunId,
      },
    },
    async (request, reply) => {
      const run = runs.get(request.params.id, request.principal!);
      const last = Number(request.headers['last-event-id']);
      const after = Number.isInteger(last) && last > 0 ? last : 0;
      // To an EventSource this says: do not come back.
      if (run.state !== 'running' && after >= run.lastEventId) return reply.code(204).send();
      reply.header('content-type', 'text/event-stream').header('cache-control', 'no-store');
      reply.header('x-accel-buffering', 'no');
      return reply.send(eventStream(run, after));
    },
  );
};

function eventStream(run: Run, afterId: number): Readable {
  const stream = new Readable({ read() {} });
  stream.push(': vector-batch-optimizer\n\n');
  const heartbeat = setInterval(() => stream.push(':\n\n'), HEARTBEAT_MS).unref();
  let unsubscribe = () => {};
  stream.on('close', () => {
    clearInterval(heartbeat);
    unsubscribe();
  });
  const listener = (event: RunEvent) => {
    if (event.event === 'progress' && stream.readableLength > MOST_BUFFERED_BYTES) return;
    stream.push(`id: ${event.id}\nevent: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`);
    if (event.event === 'end') stream.push(null);
  };
  unsubscribe = run.subscribe(afterId, listener);
  return stream;
}
