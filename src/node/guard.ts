/** The operator token in the node's home, which names this node answers to, and what its log may print. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MiddlewareHandler } from "hono";
import { ConfigError, type NodeConfig } from "./config.ts";

export const operatorTokenFile = (home: string) => join(home, "operator-token");

const tokenPattern = /^[\w-]{43}$/;

/**
 * The token, made on first boot and readable by its owner only.
 *
 * @throws ConfigError when the file is cut short or others can read it: an empty token would make everybody the operator
 */
export function openOperatorToken(home: string): string {
  const file = operatorTokenFile(home);
  if (!existsSync(file)) {
    const part = `${file}.part`;
    writeFileSync(part, `${randomBytes(32).toString("base64url")}\n`, { mode: 0o600, flush: true });
    renameSync(part, file);
  }
  const mode = statSync(file).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    throw new ConfigError(
      `${file} has mode ${mode.toString(8)}: others can read it. Expected 600: run chmod 600 ${file}.`,
    );
  const token = readFileSync(file, "utf8").trim();
  if (!tokenPattern.test(token))
    throw new ConfigError(
      `${file} does not hold an operator token. Remove it: the next start makes a new one.`,
    );
  return token;
}

const isLoopbackName = (host: string) => host === "localhost" || host === "::1" || host.startsWith("127.");
const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?$/i;

/**
 * A node that listens on this machine only answers to this machine's names only: a page whose own name was made to point here (DNS
 * rebinding) reads nothing.
 *
 * @param host the address listened on
 * @param asked the request's `Host` header
 */
export function isForeignName(host: string, asked = ""): boolean {
  return isLoopbackName(host) && asked !== "" && !loopback.test(asked);
}

/**
 * The web origins that this node's pages have: what `origins` names and where it listens. One that listens on all addresses does not know
 * its names.
 *
 * @param url where it listens
 */
export function ownOrigins({ host, origins }: Pick<NodeConfig, "host" | "origins">, url: string): string[] {
  if (url === "" || host === "0.0.0.0" || host === "::") return [...origins];
  const here = new URL(url);
  const names = isLoopbackName(host) ? [here.hostname, "localhost"] : [here.hostname];
  const own = names.map((name) => `${here.protocol}//${name}:${here.port}`);
  return [...new Set([...origins, ...own.map((one) => new URL(one).origin)])];
}

/** Refuses requests whose `Host` is foreign (see {@link isForeignName}). */
export function ownName(host: string): MiddlewareHandler {
  return async (context, next) => {
    if (isForeignName(host, context.req.header("host")))
      return context.json(
        {
          error: {
            code: "foreign-host",
            message: "This node answers on this machine only: ask for 127.0.0.1 or localhost.",
          },
        },
        403,
      );
    return next();
  };
}

/** Text for a log: what strangers send cannot command the terminal or forge a line's beginning. */
export const printable = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "\ufffd");
