import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { BatchExecutionRecord } from '../../core/types.js';
import type { History, RecordFilter } from '../../history/history.js';
import { profileOf } from '../../model/profiles.js';
import type { Gate } from '../gate.js';
import { AppendAnswer, AppendBody, HistoryAnswer, HistoryQuery } from '../schemas/history.js';

const DEFAULT_LIMIT = 100;

/** The execution records, `/api/v1/history`. */
export const historyRoutes: FastifyPluginAsyncTypebox<{
  history: () => Promise<History>;
  gate: Gate;
}> = async (app, options) => {
  const tags = ['history'];

  app.get(
    '',
    {
      config: { scope: 'recommend' },
      schema: {
        ...{ tags, summary: 'Execution records, the newest first' },
        querystring: HistoryQuery,
        response: { 200: HistoryAnswer },
      },
      // Records are told as they are kept, of before there was a rule, too; a compiled serializer refuses what the schema does.
      serializerCompiler: () => JSON.stringify,
    },
    async ({ query }) => {
      const history = await options.history();
      const filter = filterOf(query);
      const limit = query.limit === undefined ? DEFAULT_LIMIT : Number(query.limit);
      const [records, total] = await Promise.all([
        history.records({ ...filter, limit }),
        history.count(filter),
      ]);
      return { records: records as HistoryAnswer['records'], total };
    },
  );

  app.post(
    '',
    {
      config: { scope: 'learn', mutates: true },
      schema: { tags, summary: 'Add execution records', body: AppendBody, response: { 200: AppendAnswer } },
    },
    async ({ body }) => {
      for (const [i, record] of body.records.entries()) {
        profileOf(record.database_type, `records[${i}].database_type`);
      }
      const history = await options.history();
      const added = await options.gate.run(() => history.append(body.records as BatchExecutionRecord[]));
      return { added, total: await history.count() };
    },
  );
};

function filterOf({ database_type, vector_dimension, since_ms }: HistoryQuery): RecordFilter {
  return {
    ...(database_type === undefined ? {} : { databaseType: database_type }),
    ...(vector_dimension === undefined ? {} : { vectorDimension: Number(vector_dimension) }),
    ...(since_ms === undefined ? {} : { sinceMs: Number(since_ms) }),
  };
}
