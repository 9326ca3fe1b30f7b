import type { Command } from "commander";
import type { Io } from "./io.ts";

/** What a command's file exports. */
export type CommandModule = {
  /** Adds arguments, options and the action to a command that already has its name and summary. */
  define: (command: Command, io: Io) => void;
};

/** One line of `openledger --help`, and how to load the command behind it. */
export type CommandEntry = {
  name: string;
  /** Heading of the help under which the command stands. */
  group: "Run" | "Use a running node" | "Check" | "Develop";
  /** One line, sentence case, no full stop. */
  summary: string;
  load: () => Promise<CommandModule>;
};

/** Every command, in the order of the help. Nothing is loaded until it is called. */
export const commands: readonly CommandEntry[] = [
  {
    name: "up",
    group: "Run",
    summary: "Start the platform: chain, contracts, API and status page",
    load: () => import("./up.ts"),
  },
  {
    name: "demo",
    group: "Run",
    summary: "Tell the main job as a story, on a node in a temporary home",
    load: () => import("./demo.ts"),
  },
  {
    name: "datanet",
    group: "Use a running node",
    summary: "List, create, publish and show Datanets",
    load: () => import("./datanet.ts"),
  },
  {
    name: "contribute",
    group: "Use a running node",
    summary: "Give rows to a Datanet under a consent that your own key signs",
    load: () => import("./contribute.ts"),
  },
  {
    name: "verify",
    group: "Check",
    summary: "Check a receipt from its audit file: digests, scores, threshold, split, signature",
    load: () => import("./verify.ts"),
  },
  {
    name: "pretrain",
    group: "Develop",
    summary: "Make the base model from nothing",
    load: () => import("./pretrain.ts"),
  },
  {
    name: "doctor",
    group: "Check",
    summary:
      "Check that this machine can run a node: Node.js, native packages, disk, memory, port, data folder",
    load: () => import("./doctor.ts"),
  },
  {
    name: "test",
    group: "Develop",
    summary: "Run every check and test of a clone, or those below the given paths",
    load: () => import("./test.ts"),
  },
];
