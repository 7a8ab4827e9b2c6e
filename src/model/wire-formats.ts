import type { WireFormat } from './profile.js';

/**
 * Shortest text that gives back the same float32, with its comma: of clustered unit vectors 11.9, 12.2 and 12.3 bytes a
 * component at 128, 768 and 1536 dimensions (`npm run bench -- wire`, "JSON text a component"), 19 kB for a vector of
 * 1536. Printed as float64, as JSON.stringify does, it would be 20.7 to 21.3: ours is 0.58 of that.
 */
export const JSON_TEXT: WireFormat = { perComponentBytes: 12.3, perRowBytes: 60, perRequestBytes: 200 };
export const TEXT_SOURCE =
  'Shortest round-trip float32 text, measured on clustered unit vectors of 128 to 1536 dimensions.';

/** Float32 as it is, with an id. */
export const PACKED: WireFormat = { perComponentBytes: 4, perRowBytes: 24, perRequestBytes: 200 };
export const PACKED_SOURCE = "Four bytes a component plus the row's id and lengths.";
