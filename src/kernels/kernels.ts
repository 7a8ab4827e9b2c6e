import { instantiate, instantiateSync } from '@assemblyscript/loader';
import { VectorBatchError } from '../core/errors.js';
import { Arena } from './arena.js';
import type { KernelExports } from './exports.js';
// In a browser's bundle this is module-absent.ts, by the package's `browser` field.
import { readModuleFile } from './module-file.js';

export type KernelName = keyof KernelExports;

/** One kernel call as data: the same call can run here or on any thread that shares the memory. */
export interface KernelCall {
  readonly name: KernelName;
  /** Pointers, lengths and scalars, in the kernel's own order. */
  readonly args: readonly number[];
  /** Bytes the call reads and writes, or as many as take as long to scan; what the pool weighs against the cost of a round trip. */
  readonly workBytes: number;
}

/** Runs kernel calls, wherever. */
export interface KernelRunner {
  /** The results come in the order of the calls. */
  run(calls: readonly KernelCall[]): Promise<number[]>;
  /** Into how many calls work of `workBytes` is best split. */
  partsFor(workBytes: number): Promise<number>;
}

/** WebAssembly's pages of 64 KiB: what the module asks for, and all that 32 bits can address. */
const PAGES = { initial: 16, maximum: 65_536 } as const;

let shared: Kernels | undefined;
let opening: Promise<Kernels> | undefined;

/**
 * The compiled module, its memory, and this thread's instance of it. The memory is shared with every worker, except in
 * a page ({@link Kernels.open}), where the same code runs on memory of its own.
 */
export class Kernels implements KernelRunner {
  private constructor(
    readonly module: WebAssembly.Module,
    readonly arena: Arena,
    readonly exports: KernelExports,
  ) {}

  /**
   * Compiles the installed module and creates its memory; `limitBytes` bounds what the arena hands out.
   * @throws VBO_ERR_KERNELS
   */
  static load(options: { limitBytes?: number } = {}): Kernels {
    const module = new WebAssembly.Module(readModuleFile());
    const memory = new WebAssembly.Memory({ ...PAGES, shared: true });
    const { instance } = instantiateSync(module, { env: { memory } });
    return new Kernels(module, new Arena(memory, options.limitBytes), exportsOf(instance));
  }

  /**
   * For a page, which may neither read files nor compile at once: compiles the unshared module. A memory that is not
   * shared needs no cross-origin isolation; its views end when it grows. The first set becomes {@link Kernels.shared}.
   * @throws VBO_ERR_KERNELS
   */
  static open(fetchModule: () => Promise<BufferSource>): Promise<Kernels> {
    opening ??= Kernels.#compile(fetchModule).then(
      (kernels) => {
        shared ??= kernels;
        return kernels;
      },
      (cause) => {
        opening = undefined;
        if (cause instanceof VectorBatchError) throw cause;
        throw new VectorBatchError('VBO_ERR_KERNELS', `The kernels cannot be loaded: ${cause}.`, { cause });
      },
    );
    return opening;
  }

  static async #compile(fetchModule: () => Promise<BufferSource>): Promise<Kernels> {
    const module = await WebAssembly.compile(await fetchModule());
    const memory = new WebAssembly.Memory(PAGES);
    return new Kernels(module, new Arena(memory), await instantiateKernels(module, memory));
  }

  /**
   * The process's own kernels, loaded at the first call: blocks made anywhere can meet in their memory.
   * @throws VBO_ERR_KERNELS
   */
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

  /** One: there is no other thread here. */
  async partsFor(): Promise<number> {
    return 1;
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
  const { instance } = await instantiate(module, { env: { memory } });
  return exportsOf(instance);
}

/** The functions themselves: the loader's own all pass through one function that counts arguments, which none here needs. */
const exportsOf = ({ exports }: WebAssembly.Instance): KernelExports => exports as unknown as KernelExports;
