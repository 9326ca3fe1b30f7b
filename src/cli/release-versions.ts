/** `openledger release history|diff|evaluation|serve|rollback|export`: a model's releases in order, which one its name serves, and taking one along. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { loadCheckpoint, parseSafetensors, readPeft } from "../engine/index.ts";
import {
  type EvaluationReport,
  exportMerged,
  isOfBase,
  type ManifestDifference,
  type ReleaseVersion,
} from "../modelfactory/index.ts";
import { bytesDigest, type Digest, type Manifest } from "../protocol/index.ts";
import { CliError, exitCodes } from "./errors.ts";
import { evaluationTable } from "./evaluation-table.ts";
import { cannotWrite } from "./files.ts";
import { connect, type NodeClient } from "./http.ts";
import type { Io } from "./io.ts";
import { subcommand } from "./subcommand.ts";
import { oneLine, table } from "./table.ts";
import { openBase, withBase } from "./verify-base.ts";

/** Adds the subcommands to `openledger release`. */
export function defineVersions(command: Command, io: Io): void {
  subcommand(command, "history", "List a model's releases, and which one its name serves")
    .argument("<model>", "a model's name")
    .action((model: string) => history(io, model));
  subcommand(command, "diff", "Show what two releases say differently")
    .argument("<before>", "a release, or a model for what it serves")
    .argument("<after>", "the other")
    .action((before: string, after: string) => diff(io, before, after));
  subcommand(command, "evaluation", "Show what a release's evaluation found, base against tuned")
    .argument("<release>", "a release, or a model for what it serves")
    .action((release: string) => evaluation(io, release));
  subcommand(
    command,
    "rollback",
    "Have a model's name serve the release before, until its next one; nothing is overwritten",
  )
    .argument("<model>", "a model's name")
    .action((model: string) => serve(io, model, undefined));
  subcommand(command, "serve", "Have a model's name serve one of its releases, until its next one")
    .argument("<model>", "a model's name")
    .argument("<release>", "0x and 64 hex digits")
    .action((model: string, release: string) => serve(io, model, release));
  withBase(
    subcommand(
      command,
      "export",
      "Write a release into a folder: its adapter for peft, or merged for transformers",
    ),
  )
    .argument("<release>", "a release, or a model for what it serves")
    .requiredOption("--out <folder>", "a folder that is not there yet")
    .addOption(new Option("--format <name>", "what is written").choices(["peft", "merged"]).default("peft"))
    .action((release: string, options: { out: string; format: "peft" | "merged"; base?: string }) =>
      exportRelease(io, release, options),
    );
}

const named = (name: string) => encodeURIComponent(name);

async function history(io: Io, model: string): Promise<void> {
  const { data } = await connect().get<{ data: ReleaseVersion[] }>(`/v1/releases/${named(model)}/versions`);
  io.result(
    data,
    table(data, [
      ["release", ({ id }) => id],
      ["made", ({ createdAtMs }) => new Date(createdAtMs).toISOString().slice(0, 16).replace("T", " ")],
      ["", ({ served }) => (served ? "served" : "")],
    ]),
  );
}

async function diff(io: Io, before: string, after: string): Promise<void> {
  const found = await connect().get<{ before: string; after: string; differences: ManifestDifference[] }>(
    `/v1/releases/${named(before)}/diff/${named(after)}`,
  );
  const value = (of: ManifestDifference["before"]) =>
    of === null ? "–" : oneLine(typeof of === "string" ? of : JSON.stringify(of), 40);
  io.result(
    found,
    found.differences.length === 0
      ? "They are the same release."
      : table(found.differences, [
          ["what", ({ path }) => path],
          ["before", ({ before }) => value(before)],
          ["after", ({ after }) => value(after)],
        ]),
  );
}

async function evaluation(io: Io, release: string): Promise<void> {
  const node = connect();
  const found = await node.get<EvaluationReport>(`/v1/releases/${named(release)}/evaluation`);
  io.result(found, evaluationTable(found, "tuned"));
}

async function serve(io: Io, model: string, releaseId: string | undefined): Promise<void> {
  const done = await connect().post<{ serves: string; served: string }>(
    `/v1/releases/${named(model)}/serve`,
    releaseId === undefined ? {} : { releaseId: releaseId.toLowerCase() },
    { operator: true },
  );
  io.result(
    done,
    done.serves === done.served
      ? `"${model}" serves ${done.serves} already.`
      : `"${model}" serves ${done.serves} now; before, ${done.served}.\n→ ./openledger release history ${model}`,
  );
}

async function bytesOf(node: NodeClient, path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await node.send("GET", path)).arrayBuffer());
}

async function exportRelease(
  io: Io,
  name: string,
  { out, format, base: baseFolder }: { out: string; format: "peft" | "merged"; base?: string },
): Promise<void> {
  const folder = resolve(out);
  if (existsSync(folder))
    throw new CliError(`${folder} is there already: nothing is written over.`, { exitCode: exitCodes.usage });
  const node = connect();
  const { id, manifest } = await node.get<{ id: Digest; manifest: Manifest }>(`/v1/releases/${named(name)}`);
  const tensors = await bytesOf(node, `/v1/releases/${id}/files/adapter`);
  if (bytesDigest(tensors) !== manifest.adapter.digest)
    throw new CliError("The node sent another adapter than the release's.", {
      expected: manifest.adapter.digest,
      actual: bytesDigest(tensors),
    });
  const config = await bytesOf(node, `/v1/releases/${id}/files/adapter-config`);
  let files: string[];
  if (format === "merged") {
    const base = await openBase(baseFolder);
    if (!isOfBase(manifest, base))
      throw new CliError(`The model in ${base.folder} is not the release's base.`, {
        expected: `${manifest.base.name}, weights ${manifest.base.weightsDigest}`,
        actual: `weights ${base.weightsDigest}`,
        fix: ["--base <folder> names the folder of the base model that the manifest names"],
        exitCode: exitCodes.usage,
      });
    const checkpoint = loadCheckpoint(base.folder);
    const adapter = readPeft(
      JSON.parse(new TextDecoder().decode(config)),
      parseSafetensors(tensors, "of the release"),
      checkpoint.config,
      "of the release",
    );
    files = exportMerged(checkpoint, adapter, folder);
  } else {
    try {
      mkdirSync(folder);
    } catch (cause) {
      throw cannotWrite(folder, cause);
    }
    writeFileSync(join(folder, "adapter_config.json"), config);
    writeFileSync(join(folder, "adapter_model.safetensors"), tensors);
    files = ["adapter_config.json", "adapter_model.safetensors"];
  }
  io.result({ release: id, format, folder, files }, `Release ${id} is in ${folder}: ${files.join(", ")}.`);
}
