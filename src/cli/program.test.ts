import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { commands } from "./commands.ts";
import { CliError, describeError, formatError } from "./errors.ts";
import { createIo, jsonLine } from "./io.ts";

const bin = fileURLToPath(new URL("./bin.ts", import.meta.url));

/** Runs the program as a user does. */
async function openledger(args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const [code] = await once(child, "close");
  return { code, out, err };
}

test("the version is package.json's", async () => {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  assert.deepEqual(await openledger(["--version"]), { code: 0, out: `${version}\n`, err: "" });
});

test("help names every command, and so does no command at all", async () => {
  const help = await openledger(["--help"]);
  assert.equal(help.code, 0);
  for (const { name, group } of commands) {
    assert.match(help.out, new RegExp(`^ {2}${name} `, "m"));
    assert.match(help.out, new RegExp(`^${group}:$`, "m"));
  }
  assert.equal((await openledger([])).out, help.out);
});

test("a command's help tells its options, whichever way it is asked for", async () => {
  const { code, out } = await openledger(["doctor", "--help"]);
  assert.equal(code, 0);
  assert.match(out, /--port <number>/);
  assert.equal((await openledger(["help", "doctor"])).out, out);
});

test("a usage error says what is wrong and where the help is, in as many lines, with exit code 2", async () => {
  for (const [args, message, help] of [
    [["doktor"], /unknown command 'doktor'\n\(Did you mean doctor\?\)/, ""],
    [["doctor", "--port", "70000"], /from 0 to 65535/, " doctor"],
    [["datanet", "creat"], /unknown command 'creat'\n\(Did you mean create\?\)/, " datanet"],
    [
      ["datanet", "create", "--name", "Mills"],
      /'--licence, --license <id>' not specified/,
      " datanet create",
    ],
    [["gov", "propose", "--descripton", "x"], /--descripti?on/, " gov propose"],
  ] as const) {
    const { code, out, err } = await openledger([...args]);
    assert.deepEqual({ code, out }, { code: 2, out: "" });
    assert.match(err, message);
    const lines = err.trimEnd().split("\n");
    assert.equal(lines.at(-1), `→ ./openledger${help} --help lists what there is`);
    assert.ok(lines.length <= 3, err);
  }
});

test("an empty question is a usage error: nothing is asked, nothing is charged", async () => {
  for (const question of ["", " \n"]) {
    const { code, err } = await openledger(["chat", "locks", question], {
      OPENLEDGER_URL: "http://127.0.0.1:1",
    });
    assert.equal(code, 2);
    assert.match(err, /There is no question; nothing was asked, and nothing is charged\./);
  }
});

test("a failure is told in words, with a stack only when debugging", async () => {
  const plain = await openledger(["test", "no/such/folder"]);
  assert.equal(plain.code, 2);
  assert.match(
    plain.err,
    /^There is no file or folder .*no\/such\/folder to test\.\nopenledger: Nothing was tested\.\n$/,
  );
  const debugging = await openledger(["test", "no/such/folder"], { OPENLEDGER_DEBUG: "1" });
  assert.match(debugging.err, /\n {4}at /);
});

test("under --json a result and a failure are one line of JSON each", async () => {
  const { code, out, err } = await openledger(["doctor", "--json", "--data", `${bin}/data`, "--port", "0"]);
  assert.equal(code, 3);
  assert.equal(JSON.parse(out).fit, false);
  assert.equal(JSON.parse(err).error.message, "This machine cannot run a node yet: Data folder.");
});

test("nothing is written into the user's home, not even by the engine's runtime", async () => {
  const home = mkdtempSync(join(tmpdir(), "openledger-home-"));
  const { code, err } = await openledger(["doctor", "--port", "0"], {
    HOME: home,
    ORT_DISABLE_TELEMETRY: "",
  });
  const left = readdirSync(home);
  rmSync(home, { recursive: true });
  assert.equal(code, 0, err);
  assert.deepEqual(left, []);
});

test("an error tells what was expected, what came and what to do", () => {
  const error = new CliError("The port is taken.", {
    expected: "free",
    actual: "a node listens",
    fix: ["Stop it."],
  });
  assert.equal(
    formatError(describeError(error)),
    "openledger: The port is taken.\n  expected: free\n  actual:   a node listens\n  → Stop it.\n",
  );
});

test("errors of other kinds are told as far as they tell themselves", () => {
  assert.deepEqual(describeError("out of luck"), { message: "out of luck" });
  assert.deepEqual(
    describeError({ shortMessage: "Reverted.", message: "long", metaMessages: ["Try again.", ""] }),
    {
      message: "Reverted.",
      fix: ["Try again."],
    },
  );
  assert.deepEqual(describeError(new RangeError("")), { message: "RangeError" });
});

test("JSON shows amounts as decimal strings", () => {
  assert.equal(jsonLine({ wei: 10n ** 27n }), `{"wei":"1000000000000000000000000000"}\n`);
});

test("under --json nothing but the result reaches standard output, and notes are silent", () => {
  const written: string[] = [];
  const stream = {
    write: (text: string) => written.push(text),
    isTTY: true,
  } as unknown as NodeJS.WriteStream;
  const io = createIo(true, stream, stream);
  io.note("working");
  io.result({ done: true }, "Done.");
  assert.deepEqual({ written, color: io.color }, { written: [`{"done":true}\n`], color: false });
});
