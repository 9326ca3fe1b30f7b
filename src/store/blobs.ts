/**
 * The port for blobs: immutable bytes named by their Keccak-256 digest (docs/protocol.md, section 1).
 */

/** A Keccak-256 digest: `0x` and 64 lower-case hex digits. */
export type Digest = `0x${string}`;

export type Blobs = {
  /**
   * Stores bytes durably: when the promise resolves, they survive the death of the process and a loss of power.
   * Storing the same bytes again is allowed, concurrently too, and mends a copy that has rotted.
   * @returns the bytes' digest.
   * @throws StoreError `blob-too-large`.
   */
  put(bytes: Uint8Array): Promise<Digest>;
  /**
   * The same for a file's bytes, which are never in memory all at once. The file itself stays as it is.
   * @throws StoreError `blob-too-large`; what opening the file throws.
   */
  putFile(path: string): Promise<Digest>;
  /**
   * Reads a blob and checks it against its digest.
   * @throws StoreError `blob-missing`, `blob-corrupt`.
   */
  get(digest: Digest): Promise<Uint8Array>;
  /** Whether a blob of this digest is stored; its bytes are not read. */
  has(digest: Digest): Promise<boolean>;
  /**
   * A local file that holds exactly the blob, for native code that maps files; read-only by convention. Its bytes are not
   * checked again: use {@link Blobs.get} where that matters.
   * @throws StoreError `blob-missing`.
   */
  path(digest: Digest): Promise<string>;
};
