import { workerData } from 'node:worker_threads';
import { callKernel, instantiateKernels, type KernelName } from '../kernels/kernels.js';

/** What a worker gets at its start: the compiled module and the memory it shares with everybody else. */
export interface WorkerData {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
}

export interface PoolTask {
  name: KernelName;
  args: readonly number[];
}

/** A trap is an answer, so that a rejected task always means a dead worker. */
export type PoolAnswer = { value: number } | { trap: string };

const { module, memory } = workerData as WorkerData;
const kernels = await instantiateKernels(module, memory);

export default function run(task: PoolTask): PoolAnswer {
  try {
    return { value: callKernel(kernels, task) };
  } catch (error) {
    return {
      trap: `${task.name}(${task.args.join(', ')}): ${error instanceof Error ? error.message : error}`,
    };
  }
}
