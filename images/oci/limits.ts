// Bounds on what a registry may make this host do.
export interface OciLimits {
  maxLayers: number;
  /** Compressed, over all layers. */
  maxDownloadBytes: number;
  /** Uncompressed, over all layers. */
  maxUnpackedBytes: number;
  /** Files, folders and links over all layers. */
  maxEntries: number;
  inspectTimeoutMs: number;
  pullTimeoutMs: number;
  unpackTimeoutMs: number;
}

const gib = 1024 ** 3;

export const defaultLimits: OciLimits = {
  maxLayers: 256,
  maxDownloadBytes: 8 * gib,
  maxUnpackedBytes: 16 * gib,
  maxEntries: 1_000_000,
  inspectTimeoutMs: 60_000,
  pullTimeoutMs: 30 * 60_000,
  unpackTimeoutMs: 30 * 60_000,
};
