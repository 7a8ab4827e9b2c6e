/** The module's exports: pointers and lengths in, results in memory. One line per kernel; see `assembly/` for the contracts. */
export interface KernelExports {
  [name: string]: (...args: number[]) => number;
}
