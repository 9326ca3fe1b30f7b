/** Work in a process of its own, so that its memory is its own and its threads rest while others are measured. */
import { fork } from "node:child_process";
import { once } from "node:events";

type Answer = { result: unknown } | { error: string };

/** What a child publishes: functions from a message to a message, called one at a time. */
// biome-ignore lint/suspicious/noExplicitAny: each method has its own message
export type ChildMethods = Record<string, (input: any) => unknown>;

export type Child<M extends ChildMethods> = {
  call<Name extends keyof M & string>(
    name: Name,
    input: Parameters<M[Name]>[0],
  ): Promise<Awaited<ReturnType<M[Name]>>>;
  readonly pid: number;
  [Symbol.asyncDispose](): Promise<void>;
};

/** Starts a module that calls {@link serveChild}. Its output goes to standard error. */
export function startChild<M extends ChildMethods>(
  script: URL,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Child<M> {
  const child = fork(script, args, {
    stdio: ["ignore", 2, 2, "ipc"],
    serialization: "advanced",
    env: { ...process.env, ...env },
  });
  const ended = once(child, "exit");
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  return {
    pid: child.pid ?? 0,
    async call(name, input) {
      const answer = once(child, "message") as Promise<[Answer]>;
      child.send({ name, input });
      const [reply] = await Promise.race([
        answer,
        ended.then(([code, signal]) => {
          throw new Error(`The process of ${script.pathname} ended (${signal ?? `exit code ${code}`}).`);
        }),
      ]);
      if ("error" in reply) throw new Error(reply.error);
      return reply.result as never;
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await ended;
    },
  };
}

/** The child's side. */
export function serveChild(methods: ChildMethods): void {
  process.on("message", async ({ name, input }: { name: string; input: unknown }) => {
    const answer: Answer = await Promise.resolve()
      .then(() => methods[name]!(input))
      .then(
        (result) => ({ result }),
        (error: Error) => ({ error: error.stack ?? error.message }),
      );
    process.send!(answer);
  });
  process.on("disconnect", () => process.exit(0));
}
