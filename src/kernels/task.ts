import type { KernelCall, KernelRunner, Kernels } from './kernels.js';

/** Calls that can run anywhere in any order, and how their results make one answer. */
export interface KernelTask<T> {
  readonly calls: readonly KernelCall[];
  /** The answer, from the calls' results in the order of the calls. */
  finish(results: readonly number[]): T;
}

/** Runs a task on any runner: this thread or a pool. */
export async function runTask<T>(runner: KernelRunner, task: KernelTask<T>): Promise<T> {
  return task.finish(await runner.run(task.calls));
}

/** Runs a task on this thread, now. */
export function callTask<T>(kernels: Kernels, task: KernelTask<T>): T {
  return task.finish(task.calls.map((call) => kernels.call(call)));
}
