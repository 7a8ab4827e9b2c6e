/** Bounds the whole package agrees on. */
export const MAX_DIMENSION = 65_536;
export const MAX_BATCH_SIZE = 1_048_576;
export const MAX_CONCURRENCY = 1_024;
export const MAX_ITEMS = 1e13;
