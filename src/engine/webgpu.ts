/** Whether this machine can run graphs on WebGPU, and what to install where it cannot. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { workerUrl } from "./worker.ts";

const probeReport = z.object({
  failure: z.enum(["none", "no-loader", "no-adapter", "wrong-result", "error"]),
  detail: z.string().optional(),
});
/** What the probe found. */
export type ProbeReport = z.infer<typeof probeReport>;

/** Available; or what was found instead, and what to do about it, as sentences for a person. */
export type WebGpuState =
  | { readonly available: true }
  | { readonly available: false; readonly found: string; readonly fix: string };

export class WebGpuUnavailableError extends Error {
  override name = "WebGpuUnavailableError";
}

const install =
  process.platform === "linux"
    ? "Install libvulkan.so.1 and a Vulkan driver: NVIDIA's comes with its own driver; for AMD, Intel and a software one, `apt-get install libvulkan1 mesa-vulkan-drivers` on Debian and Ubuntu (on Debian 12 with `-t bookworm-backports`, since Mesa 22.3 is too old). A container needs the GPU passed in."
    : "Update the graphics driver.";

/** What each failure says, given the probe's own words. */
const foundWords: Record<Exclude<ProbeReport["failure"], "none">, (detail: string) => string> = {
  "no-loader": () => "libvulkan.so.1, the Vulkan loader, is not installed.",
  "no-adapter": () => "No graphics driver here offers a device that WebGPU accepts.",
  "wrong-result": (detail) =>
    `The graphics driver computes wrongly: -16, -20, -14, -16 came out as ${detail}.`,
  error: (detail) => `ONNX Runtime could not use the graphics driver: ${detail.trim()}`,
};

let known: Promise<WebGpuState> | undefined;

/**
 * Runs a small graph on WebGPU in a process of its own, once for this process. Takes about half a second and never throws; a driver that
 * crashes or hangs for 30 seconds is reported as such.
 */
export function webGpuState(): Promise<WebGpuState> {
  known ??= probe();
  return known;
}

/** @throws WebGpuUnavailableError that says what is missing and what to install */
export async function requireWebGpu(): Promise<void> {
  const state = await webGpuState();
  if (!state.available)
    throw new WebGpuUnavailableError(`WebGPU does not run on this machine. ${state.found} ${state.fix}`);
}

function probe(): Promise<WebGpuState> {
  const program = fileURLToPath(workerUrl(import.meta.url, "webgpu-probe"));
  return new Promise((resolve) => {
    // Mesa would keep the probe's one shader in the user's home.
    const env = { ...process.env, MESA_SHADER_CACHE_DISABLE: "true" };
    execFile(process.execPath, [program], { timeout: 30_000, maxBuffer: 1 << 20, env }, (error, stdout) => {
      const line = stdout.split("\n").findLast((text) => text.startsWith("{"));
      if (line === undefined) {
        const how = error?.killed
          ? "did not answer within 30 seconds"
          : `ended with ${error?.signal ?? `code ${error?.code ?? 0}`}`;
        return resolve({
          available: false,
          found: `The graphics driver is broken: a small program on it ${how}.`,
          fix: install,
        });
      }
      const { failure, detail = "" } = probeReport.parse(JSON.parse(line));
      resolve(
        failure === "none"
          ? { available: true }
          : { available: false, found: foundWords[failure](detail), fix: install },
      );
    });
  });
}
