/**
 * The floors of the house. A room imports only rooms on lower floors, and only through their `index.ts`.
 * `biome.json` carries one override per room, made from this table, so that the linter itself refuses a bad import.
 *
 * `node scripts/rooms.ts` rewrites those overrides; with `--check` it fails when they are out of date.
 */
import { readFileSync, writeFileSync } from "node:fs";

export const floors: readonly (readonly string[])[] = [
  ["protocol", "engine", "store"],
  ["chain"],
  ["datanets", "attribution", "openlora", "payments", "explorer", "operators", "feed"],
  ["modelfactory", "inference", "settlement"],
  ["agents", "validators"],
  ["node"],
  ["cli"],
];

/** Packages that only make sense inside one process on a machine: `protocol/` must also run in a browser. */
const notInBrowser = [
  "node:*",
  "onnxruntime-node",
  "@nomicfoundation/*",
  "@electric-sql/*",
  "hono",
  "@hono/*",
];

export type RoomOverride = {
  includes: string[];
  linter: { rules: { style: { noRestrictedImports: object } } };
};

/** What a room's files are called, and the way out of the room from there: its own files, and those of its folders. */
const depths = [
  { files: (room: string) => [`src/${room}/*.ts`, `!src/${room}/*.test.ts`], out: ".." },
  {
    files: (room: string) => [`src/${room}/*/*.ts`, `!src/${room}/*/*.test.ts`, `!src/${room}/fixtures/*.ts`],
    out: "../..",
  },
];

/** Biome's overrides for each room: everything outside the room is refused but the `index.ts` of lower rooms. */
export function roomOverrides(): RoomOverride[] {
  return floors.flatMap((rooms, floor) =>
    rooms.flatMap((room) => depths.map((depth) => override(room, floor, depth))),
  );
}

function override(room: string, floor: number, { files, out }: (typeof depths)[number]): RoomOverride {
  const lower = floors.slice(0, floor).flat();
  return {
    includes: files(room),
    linter: {
      rules: {
        style: {
          noRestrictedImports: {
            level: "error",
            options: {
              patterns: [
                {
                  group: [`${out}/**`, ...lower.map((name) => `!${out}/${name}/index.ts`)],
                  message: `src/${room} is on floor ${floor}: it may import only index.ts of ${lower.join(", ") || "no other room"}.`,
                },
                ...(room === "protocol"
                  ? [
                      {
                        group: notInBrowser,
                        message: "src/protocol runs in a browser: no Node and no server packages.",
                      },
                    ]
                  : []),
              ],
            },
          },
        },
      },
    },
  };
}

const biomeFile = new URL("../biome.json", import.meta.url);

/** `biome.json` as the table of floors wants it. */
export function biomeWithRooms(current: string): string {
  const biome = JSON.parse(current);
  biome.overrides = roomOverrides();
  return `${JSON.stringify(biome, null, 2)}\n`;
}

if (import.meta.main) {
  const current = readFileSync(biomeFile, "utf8");
  const wanted = biomeWithRooms(current);
  if (!process.argv.includes("--check")) {
    writeFileSync(biomeFile, wanted);
  } else if (JSON.stringify(JSON.parse(current)) !== JSON.stringify(JSON.parse(wanted))) {
    process.stderr.write(
      "biome.json's overrides are not those of scripts/rooms.ts. Run: node scripts/rooms.ts\n",
    );
    process.exitCode = 1;
  }
}
