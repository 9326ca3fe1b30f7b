/** Bounds on one file that is converted. */
export type FormatLimits = {
  /** A row as it stands in the file, in bytes: longer ones are refused by their place, and not held. */
  readonly rowBytesMax: number;
  /** An example as JSON, in bytes: what a line of a contribution has room for, less its source. */
  readonly exampleBytesMax: number;
  /** A file that is held whole while it is read: PDF, DOCX, and Parquet that arrives as a stream. */
  readonly heldBytesMax: number;
  /** What a DOCX may unpack to. */
  readonly unpackedBytesMax: number;
  /** What the columns read of one row group of a Parquet file may unpack to. */
  readonly rowGroupBytesMax: number;
  readonly pagesMax: number;
  readonly columnsMax: number;
  /** A file that is read in a thread of its own: the heap of its JavaScript, all memory that the thread holds, time for one step. */
  readonly threadMiBMax: number;
  readonly memoryMiBMax: number;
  readonly stepMsMax: number;
};

export const formatLimits: FormatLimits = {
  rowBytesMax: 1024 * 1024,
  exampleBytesMax: 250 * 1024,
  heldBytesMax: 64 * 1024 * 1024,
  unpackedBytesMax: 32 * 1024 * 1024,
  rowGroupBytesMax: 512 * 1024 * 1024,
  pagesMax: 10_000,
  columnsMax: 1_000,
  threadMiBMax: 1_024,
  memoryMiBMax: 2_048,
  stepMsMax: 60_000,
};

/** Bytes for people. */
export const mebibytes = (bytes: number): string =>
  bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${Math.ceil(bytes / 2 ** 20)} MiB`;
