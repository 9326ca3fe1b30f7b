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

/** Available, or why not and what to do about it, as sentences for a person. */
export type WebGpuState = { available: true } | { available: false; reason: string };

export class WebGpuUnavailableError extends Error {
  override name = "WebGpuUnavailableError";
}

const drivers =
  "GPUs need their maker's Vulkan driver; on Debian and Ubuntu `apt-get install libvulkan1 mesa-vulkan-drivers` has those of AMD and Intel and a software one (on Debian 12 add `-t bookworm-backports`: Mesa 22.3 is too old), NVIDIA's comes with its own driver.";

const advice = {
  "no-loader": () => `libvulkan.so.1, the Vulkan loader, is not installed. ${drivers}`,
  "no-adapter": () =>
    process.platform === "linux"
      ? `No Vulkan driver here offers a device that WebGPU accepts (\`vulkaninfo --summary\`, of the package vulkan-tools, lists what there is). ${drivers} In a container, the GPU must be passed in.`
      : "No graphics driver here offers a device that WebGPU accepts. Update the GPU's driver.",
  "wrong-result": (detail: string) =>
    `The driver computes wrongly: a product that is -16,-20,-14,-16 came out as ${detail}. Update the GPU's driver.`,
  error: (detail: string) => `ONNX Runtime could not start on it: ${detail}`,
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
    throw new WebGpuUnavailableError(
      `WebGPU does not run on this machine. ${state.reason} Or leave out \`--device webgpu\` to run on the CPU.`,
    );
}

function probe(): Promise<WebGpuState> {
  const program = fileURLToPath(workerUrl(import.meta.url, "webgpu-probe"));
  return new Promise((resolve) => {
    execFile(process.execPath, [program], { timeout: 30_000, maxBuffer: 1 << 20 }, (error, stdout) => {
      const line = stdout.split("\n").findLast((text) => text.startsWith("{"));
      if (line === undefined) {
        const how = error?.killed
          ? "did not answer within 30 seconds"
          : `ended with ${error?.signal ?? `code ${error?.code ?? 0}`}`;
        return resolve({
          available: false,
          reason: `The GPU's driver is broken: a small program on it ${how}.`,
        });
      }
      const { failure, detail = "" } = probeReport.parse(JSON.parse(line));
      resolve(
        failure === "none" ? { available: true } : { available: false, reason: advice[failure](detail) },
      );
    });
  });
}
