import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { screens } from "./screens.ts";
import type { Known } from "./world.ts";

/** Where each screen is, with a word in place of what the world names. */
const known = new Proxy({}, { get: () => "x" }) as Known;
const paths = Object.values(screens).map((path) => path(known).split("?")[0] as string);

test("every route of the application is among the screens that are looked at", () => {
  const router = readFileSync(new URL("../src/router.tsx", import.meta.url), "utf8");
  const routes = [...router.matchAll(/screen\(\s*"([^"]+)"/g)].map(([, route]) => route as string);
  assert.ok(routes.length > 20, `${routes.length} routes were found in router.tsx`);
  const shape = (route: string) => new RegExp(`^${route.replaceAll(/\$\w+/g, "[^/]+")}$`);
  assert.deepEqual(
    // What is more special is not a name: /factory/new is no job.
    routes.filter(
      (route) => !paths.some((path) => shape(route).test(path) && (path === route || !routes.includes(path))),
    ),
    [],
  );
});
