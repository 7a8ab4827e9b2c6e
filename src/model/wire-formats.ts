import type { WireFormat } from './profile.js';

/**
 * Shortest text that gives back the same float32, with its comma: about 10.5 bytes a component of a unit
 * vector (14 to 17 kB for 1536 dimensions). Printed as float64 it would be twice that.
 */
export const JSON_TEXT: WireFormat = { perComponentBytes: 10.5, perRowBytes: 60, perRequestBytes: 200 };
export const TEXT_SOURCE = 'Shortest round-trip float32 text, measured on unit vectors.';

/** Float32 as it is, with an id. */
export const PACKED: WireFormat = { perComponentBytes: 4, perRowBytes: 24, perRequestBytes: 200 };
export const PACKED_SOURCE = 'Four bytes a component plus the row’s id and lengths.';
