/** A cancelled job for who checks what was paid for: from the running node, or from a file that was written when it was fetched. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { z } from "zod";
import { readStopped, type StoppedJob } from "../modelfactory/index.ts";
import {
  addressSchema,
  type Digest,
  digestSchema,
  jobPlanSchema,
  uint32Schema,
  whatIsWrong,
} from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { writeText } from "./files.ts";
import { readJob } from "./finetune-pay.ts";
import { connect, type NodeClient } from "./http.ts";
import { openChain } from "./purse.ts";
import {
  base64,
  bytesOf,
  carriedJson,
  carriedOf,
  carriedVersionsSchema,
  fetchTensors,
  fetchVersions,
  fileBytesMax,
  notGiven,
  startSchema,
} from "./release-file.ts";

const schema = "openledger/job-file/1";
const jobFileSchema = z
  .strictObject({
    schema: z.literal(schema),
    plan: jobPlanSchema,
    payer: addressSchema,
    operator: addressSchema,
    done: uint32Schema.min(1),
    checkpoint: digestSchema,
    engine: z.string().max(128).nullable(),
    tensors: base64.nullable(),
    versions: carriedVersionsSchema,
    start: startSchema.optional(),
  })
  .refine(({ done, plan }) => done <= plan.steps, "more steps were done than the plan has");

/**
 * @param what a job's name, to fetch from the running node, or a file that `save` wrote before
 * @returns undefined where it is neither
 * @throws CliError where the job was not cancelled by its payer after a step, or the file is damaged
 */
export async function loadStopped(what: string, save: string | undefined): Promise<StoppedJob | undefined> {
  if (existsSync(what)) return readJobFile(what);
  if (!/^[\w-]{1,64}$/.test(what)) return undefined;
  const { settled, ...job } = await fetchStopped(connect(), what);
  if (save !== undefined) {
    const { tensors, versions, start, ...rest } = job;
    const file = z.encode(jobFileSchema, {
      ...{ schema, ...rest, versions: versions.map(carriedJson) },
      tensors: tensors instanceof Error ? null : tensors,
      ...(start !== undefined && !(start instanceof Error) && { start }),
    });
    writeText(save, JSON.stringify(file));
  }
  return { ...job, settled };
}

async function fetchStopped(node: NodeClient, id: string): Promise<StoppedJob> {
  const { payment } = await readJob(node, id);
  const { evidence, doneSteps, payer } = payment ?? { evidence: null, doneSteps: null, payer: null };
  if (payment?.state !== "stopped" || evidence === null || doneSteps === null || payer === null)
    throw new CliError(`Job ${id} was not cancelled by a payer after its first checkpoint.`, {
      expected: "a payment that was divided by steps",
      actual: payment === null ? "a job that costs nothing" : `a payment that is ${payment.state}`,
      code: "not-stopped",
    });
  const { plan, engine } = payment;
  const { contracts, operator, ...chain } = await openChain(node);
  const job = {
    ...{ plan, operator, payer: addressSchema.parse(payer), done: doneSteps, checkpoint: evidence, engine },
    ...(plan.continueFrom === null
      ? {}
      : { start: await fetchTensors(node, plan.continueFrom as Digest).catch(notGiven) }),
  };
  const tensors = await node
    .send("GET", `/v1/fine-tunes/${encodeURIComponent(id)}/checkpoint`, { operator: true })
    .then((response) => bytesOf("checkpoint", response))
    .catch(notGiven);
  return {
    ...{ ...job, tensors },
    versions: await fetchVersions(node, plan),
    settled: await readStopped(chain, contracts, job),
  };
}

/** @returns undefined where it is another kind of file, which is for others to refuse */
function readJobFile(path: string): StoppedJob | undefined {
  if (!statSync(path).isFile() || statSync(path).size > fileBytesMax) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
  if ((json as { schema?: unknown } | null)?.schema !== schema) return undefined;
  const read = jobFileSchema.safeParse(json);
  if (!read.success)
    throw new CliError(`${path} is a damaged job's file: ${whatIsWrong(read.error)}`, {
      fix: ["'openledger verify <job> --retrain --save <file>' writes one"],
      exitCode: exitCodes.failed,
    });
  const { schema: _, tensors, versions, start, ...job } = read.data;
  return {
    ...{ ...job, ...(start && { start }), settled: null },
    ...{ tensors: carriedOf(tensors), versions: versions.map(carriedOf) },
  };
}
