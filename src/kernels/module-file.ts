import { readFileSync } from 'node:fs';
import { VectorBatchError } from '../core/errors.js';

const MODULE_URL = new URL('../../build/kernels.wasm', import.meta.url);

/**
 * The module's bytes from the package's own folder.
 * @throws VBO_ERR_KERNELS
 */
export function readModuleFile(): BufferSource {
  try {
    return readFileSync(MODULE_URL);
  } catch (cause) {
    throw new VectorBatchError(
      'VBO_ERR_KERNELS',
      `The kernels are not built: ${MODULE_URL.pathname} is missing.`,
      { cause },
    );
  }
}
