import { parentPort } from 'node:worker_threads';
import { expose, type ProxyMarked, type Remote, releaseProxy } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { toVectorBatchError, type VectorBatchError } from '../core/errors.js';
import { type RecordPages, TASKS, type TaskContext, type Tasks } from './tasks.js';

export type TaskName = keyof Tasks;
export type TaskInput<K extends TaskName> = Parameters<Tasks[K]>[0];
export type TaskResult<K extends TaskName> = Awaited<ReturnType<Tasks[K]>>;

/** An error is an answer, so that it keeps its code, and a call that fails always means a dead worker. */
export type TaskAnswer<K extends TaskName> =
  | { readonly value: TaskResult<K> }
  | { readonly error: ReturnType<VectorBatchError['toJSON']> };

const learner = {
  async run<K extends TaskName>(
    name: K,
    input: TaskInput<K>,
    pages: Remote<RecordPages & ProxyMarked>,
    onProgress: Remote<TaskContext['onProgress'] & ProxyMarked>,
  ): Promise<TaskAnswer<K>> {
    try {
      const task = TASKS[name] as (input: TaskInput<K>, context: TaskContext) => Promise<TaskResult<K>>;
      const context: TaskContext = {
        pages: { next: () => pages.next() },
        onProgress: (progress) => onProgress(progress),
      };
      return { value: await task(input, context) };
    } catch (error) {
      return { error: toVectorBatchError(error, 'VBO_ERR_INTERNAL', `The task ${name} failed`).toJSON() };
    } finally {
      pages[releaseProxy]();
      onProgress[releaseProxy]();
    }
  },
};

export type RemoteLearner = typeof learner;

expose(learner, nodeEndpoint(parentPort!));
