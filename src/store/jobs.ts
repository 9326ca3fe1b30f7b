/**
 * The port for jobs: work that must happen, at least once, after the transaction that asked for it has been committed.
 */
import type { Transaction } from "./database.ts";

export type JobState = "waiting" | "running" | "done" | "failed";

/** What a handler is given. `attempt` counts from 1. `signal` is aborted when the queue closes. */
export type Job<P = unknown> = {
  readonly kind: string;
  readonly key: string;
  readonly payload: P;
  readonly attempt: number;
  readonly signal: AbortSignal;
};

/** A job as it is listed. `error` is the last failure's message; `runAtMs` when a waiting one is next due. */
export type JobRecord = {
  kind: string;
  key: string;
  payload: unknown;
  state: JobState;
  attempts: number;
  error: string | null;
  runAtMs: number;
  enqueuedAtMs: number;
};

export type WorkOptions = {
  /** Jobs of this kind that run at once; 1 unless given. */
  concurrency?: number;
  /** Attempts before a job is `failed`; 8 unless given. A process that dies while a job runs has used one. */
  maxAttempts?: number;
  /** Wait before the second attempt, doubled for each further one up to five minutes; 1,000 ms unless given. */
  backoffMs?: number;
};

export type Jobs = {
  /**
   * Asks for a job inside the caller's transaction. Kind and key name it: asking again, even after it is done, changes nothing, as long
   * as it is among the latest 10,000 or so. One that failed is kept.
   * @param payload a JSON value of at most 256 KiB; store more as a blob.
   * @returns whether the job is new.
   */
  enqueue(tx: Transaction, kind: string, key: string, payload: unknown): Promise<boolean>;
  /**
   * Starts to work on a kind, oldest job first. A handler must be safe to run again: at-least-once is the promise. One that throws
   * is tried again later; a job out of attempts is `failed` and stays visible.
   */
  work<P>(kind: string, handler: (job: Job<P>) => Promise<void>, options?: WorkOptions): void;
  /** Jobs, newest first, at most `limit` (100 unless given). */
  list(filter?: { kind?: string; state?: JobState; limit?: number }): Promise<JobRecord[]>;
  /** Gives a failed job its attempts back. @returns whether there was such a failed job. */
  retry(kind: string, key: string): Promise<boolean>;
  /** Resolves once no job of a worked kind is waiting (retries included) or running. */
  drain(): Promise<void>;
  /** Takes no further jobs, aborts the running ones' signals and waits for their handlers. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};
