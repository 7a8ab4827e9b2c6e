import { readFileSync } from 'node:fs';
import { instantiate, instantiateSync } from '@assemblyscript/loader';
import { VectorBatchError } from '../core/errors.js';
import { Arena } from './arena.js';
import type { KernelExports } from './exports.js';

export type KernelName = keyof KernelExports;

/** One kernel call as data: the same call can run here or on any thread that shares the memory. */
export interface KernelCall {
  readonly name: KernelName;
  /** Pointers, lengths and scalars, in the kernel's own order. */
  readonly args: readonly number[];
  /** Bytes the call reads and writes; what the pool weighs against the cost of a round trip. */
  readonly workBytes: number;
}

/** Runs kernel calls, wherever. The results come in the order of the calls. */
export interface KernelRunner {
  run(calls: readonly KernelCall[]): Promise<number[]>;
}

const WASM_URL = new URL('../../build/kernels.wasm', import.meta.url);

let shared: Kernels | undefined;

function readModule(): Buffer<ArrayBuffer> {
  try {
    return readFileSync(WASM_URL) as Buffer<ArrayBuffer>;
  } catch (cause) {
    throw new VectorBatchError(
      'VBO_ERR_INTERNAL',
      `The kernels are not built: ${WASM_URL.pathname} is missing.`,
      { cause },
    );
  }
}

/** The compiled module, the memory it shares with every worker, and this thread's instance of it. */
export class Kernels implements KernelRunner {
  private constructor(
    readonly module: WebAssembly.Module,
    readonly arena: Arena,
    readonly exports: KernelExports,
  ) {}

  /** Compiles the module and creates its memory; `limitBytes` bounds what the arena hands out. */
  static load(options: { limitBytes?: number } = {}): Kernels {
    const module = new WebAssembly.Module(readModule());
    const memory = new WebAssembly.Memory({ initial: 16, maximum: 65_536, shared: true });
    const { exports } = instantiateSync(module, { env: { memory } });
    return new Kernels(module, new Arena(memory, options.limitBytes), exports as unknown as KernelExports);
  }

  /** The process's own kernels, loaded at the first call: blocks made anywhere can meet in their memory. */
  static shared(): Kernels {
    shared ??= Kernels.load();
    return shared;
  }

  call(call: KernelCall): number {
    return callKernel(this.exports, call);
  }

  async run(calls: readonly KernelCall[]): Promise<number[]> {
    return calls.map((call) => this.call(call));
  }
}

/** Makes a call on an instance. A kernel that writes its result to memory returns 0 here. */
export function callKernel(exports: KernelExports, call: Pick<KernelCall, 'name' | 'args'>): number {
  const kernel = exports[call.name] as (...args: readonly number[]) => number | undefined;
  return kernel(...call.args) ?? 0;
}

/** An instance of the module on a memory that other threads may share. Instances hold no state of their own. */
export async function instantiateKernels(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
): Promise<KernelExports> {
  const { exports } = await instantiate(module, { env: { memory } });
  return exports as unknown as KernelExports;
}
