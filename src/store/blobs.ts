/**
 * The port for blobs: immutable bytes named by their Keccak-256 digest (docs/protocol.md, section 1).
 */

/** A Keccak-256 digest: `0x` and 64 lower-case hex digits. */
export type Digest = `0x${string}`;

export type Blobs = {
  /**
   * Stores bytes durably: when the promise resolves, they survive the death of the process and a loss of power.
   * Storing the same bytes again is allowed, concurrently too; it mends a copy that has rotted and counts
   * as storing it now.
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
  /** Every blob that is stored, in no order; one that is stored or removed meanwhile may be there or not. */
  list(): AsyncIterable<StoredBlob>;
  /**
   * Removes a blob unless it was stored, for the first time or again, at `beforeMs` or later. Never at the same time as a put of
   * the same bytes through this adapter: either the put comes first and the blob stays, or it stores the bytes anew.
   * @returns whether it was there and is removed.
   */
  remove(digest: Digest, beforeMs: number): Promise<boolean>;
};

export type StoredBlob = {
  readonly digest: Digest;
  /** Its length. */
  readonly bytes: number;
  /** When it was last stored, by the store's clock. */
  readonly storedAtMs: number;
};
