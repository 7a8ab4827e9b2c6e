import { VectorBatchError } from '../core/errors.js';

/** Stands in for `module-file.ts` in a browser's bundle, where modules are fetched. @throws VBO_ERR_KERNELS */
export function readModuleFile(): BufferSource {
  throw new VectorBatchError(
    'VBO_ERR_KERNELS',
    'The kernels are not loaded yet; await VectorBatchOptimizer.create() before anything else.',
  );
}
