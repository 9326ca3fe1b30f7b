import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, rmSync, truncateSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("./bin.ts", import.meta.url));
const fixture = fileURLToPath(new URL("../engine/fixtures/llama-untied", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "openledger up "));
after(() => rmSync(folder, { recursive: true, force: true }));

type Up = {
  process: ChildProcess;
  line: Promise<{ url: string; rpc: string }>;
  ended: Promise<{ code: number | null; signal: string | null; err: string }>;
};

function up(home: string, baseModel = fixture, port = "0", args: string[] = [], env = {}): Up {
  const child = spawn(
    process.execPath,
    [program, "up", "--json", "--home", home, "--port", port, "--base-model", baseModel, ...args],
    { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...env } },
  );
  let err = "";
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  const line = new Promise<{ url: string; rpc: string }>((resolve, reject) => {
    let out = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
      if (out.includes("\n")) resolve(JSON.parse(out));
    });
    child.once("exit", () => reject(new Error(`It ended before it was up: ${err}`)));
  });
  line.catch(() => {});
  const ended = new Promise<{ code: number | null; signal: string | null; err: string }>((resolve) =>
    child.once("exit", (code, signal) => resolve({ code, signal, err })),
  );
  return { process: child, line, ended };
}

const rpc = async (url: string, method: string): Promise<unknown> => {
  const response = await fetch(url, {
    method: "POST",
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params: [] }),
  });
  return ((await response.json()) as { result: unknown }).result;
};

test("Ctrl-C ends a node cleanly; after it, and after kill -9, the next start finds every block", async () => {
  const home = join(folder, "home");
  const first = up(home);
  const { rpc: firstRpc } = await first.line;
  const height = await rpc(firstRpc, "eth_blockNumber");
  assert.notEqual(height, "0x0");
  first.process.kill("SIGINT");
  assert.deepEqual({ ...(await first.ended), err: "" }, { code: 0, signal: null, err: "" });

  const second = up(home);
  const { rpc: secondRpc, url } = await second.line;
  assert.equal(await rpc(secondRpc, "eth_blockNumber"), height);
  // On the running node's own port, too: who holds the home is said, not who has the port.
  for (const port of ["0", new URL(url).port]) {
    const refused = await up(home, fixture, port).ended;
    assert.equal(refused.code, 3);
    const { message, fix } = JSON.parse(refused.err).error;
    assert.equal(message, `A node of this home already runs at ${url} (process ${second.process.pid}).`);
    assert.match(fix.join("\n"), /openledger status[\s\S]*up --home <folder> --port 4001/);
  }
  second.process.kill("SIGKILL");
  await second.ended;

  const third = up(home);
  assert.equal(await rpc((await third.line).rpc, "eth_blockNumber"), height);
  third.process.kill("SIGTERM");
  assert.equal((await third.ended).code, 0);
});

test("a taken port, a missing and a torn base model are told apart, with what to do", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  const taken = await up(join(folder, "taken"), fixture, String(port)).ended;
  other.close();
  assert.equal(taken.code, 3);
  assert.match(taken.err, new RegExp(`Port ${port} on 127.0.0.1 is taken`));
  assert.match(taken.err, /choose another port/);

  const missing = await up(join(folder, "missing"), join(folder, "no-such-model")).ended;
  assert.notEqual(missing.code, 0);
  assert.match(missing.err, /There is no model in .*config\.json is missing/);

  const torn = join(folder, "torn");
  cpSync(fixture, torn, { recursive: true });
  truncateSync(join(torn, "model.safetensors"), 20_000);
  const refused = await up(join(folder, "torn-home"), torn).ended;
  assert.notEqual(refused.code, 0);
  assert.match(refused.err, /not a whole safetensors file/);
});

test("a machine without a graphics driver refuses to serve on WebGPU before it opens anything", {
  skip: process.platform !== "linux" && "only Linux can be told to have no driver",
}, async () => {
  const home = join(folder, "no-graphics");
  const noDriver = { VK_DRIVER_FILES: "/none", VK_ICD_FILENAMES: "/none" };
  const { code, err } = await up(home, fixture, "0", ["--device", "webgpu"], noDriver).ended;
  assert.equal(code, 3);
  assert.match(err, /WebGPU does not run on this machine.*libvulkan/s);
  assert.ok(!existsSync(home));
});
