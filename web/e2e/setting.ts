/**
 * One node and one Chromium for all the tests of a process: making them takes longer than most of the tests. Each test has people with
 * browsers of their own in it, and what a page complains of fails the test that opened it.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import type { LocalAccount } from "viem";
import type { NodeConfigInput } from "../../src/node/index.ts";
import { complaints, launch, settled, withoutBrowser } from "./browser.ts";
import { watchJank } from "./jank.ts";
import { installWallet, signInByWallet } from "./wallet.ts";
import { openWorld, type World } from "./world.ts";

const open = 10n ** 18n;
/** Pages of people who have been here before: nobody offers them a first look. */
const beenHere = "localStorage.setItem('openledger.tour', 'done')";

/** @typeParam K what has happened in the world */
export type Setting<K> = {
  readonly world: World;
  readonly known: K;
  readonly browser: Browser;
  /** Somebody with so many OPEN. */
  person(name: string, opens: number): Promise<LocalAccount>;
  /** Opens a screen in a browser of its own; signed in with a wallet of that browser, when somebody is named. */
  visit(path: string, by?: LocalAccount): Promise<Page>;
  /** Opens a screen as who has never been here. */
  visitFirst(path: string): Promise<Page>;
  /** Lets so much time pass, for the node and in every browser of this test. */
  later(seconds: number): Promise<void>;
  /** What the node answers. */
  get<T>(path: string): Promise<T>;
};

/** What a journey is about meeting. */
export type Expected = {
  /** Statuses with which the node refuses something, each at least once. */
  readonly refused?: readonly number[];
};

const refusal = (status: number) => new RegExp(`responded with a status of ${status}\\b`);

/** Has a browser's clock go ahead of the machine's as the node's does. */
const ahead = (ms: number) => `{ const before = Date.now; Date.now = () => before() + ${ms}; }`;

/**
 * A world for the tests of this process, made before the first.
 *
 * @param happen what happens in it before the tests
 * @returns what declares a test in it; no page that the test visits may complain, but of what is expected
 */
export function setting<K>(
  config: Partial<NodeConfigInput>,
  happen: (world: World) => Promise<K>,
): (name: string, work: (setting: Setting<K>) => Promise<void>, expected?: Expected) => void {
  let world: World;
  let known: K;
  let browser: Browser;
  if (!withoutBrowser) {
    before(async () => {
      world = await openWorld(config);
      known = await happen(world);
      browser = await launch();
    });
    after(async () => {
      await browser?.close();
      await world?.close();
    });
  }

  async function get<T>(path: string): Promise<T> {
    const response = await fetch(`${world.url}${path}`);
    assert.ok(response.ok, `GET ${path} answers ${response.status}`);
    return (await response.json()) as T;
  }

  async function person(name: string, opens: number): Promise<LocalAccount> {
    const account = world.node.network.keys.account(name);
    await world.node.network.faucet(account.address, BigInt(opens) * open);
    return account;
  }

  return (name, work, { refused = [] } = {}) =>
    void test(name, { skip: withoutBrowser }, async () => {
      const pages: Page[] = [];
      const found: string[][] = [];
      const enter = async (path: string, by?: LocalAccount, before?: string) => {
        const context = await browser.newContext({ viewport: { width: 1440, height: 1000 } });
        await watchJank(context);
        await context.addInitScript(ahead(world.aheadMs()));
        if (before !== undefined) await context.addInitScript(before);
        if (by !== undefined) await installWallet(context, world, by);
        const page = await context.newPage();
        pages.push(page);
        found.push(complaints(page));
        await page.goto(`${world.url}${path}`);
        await settled(page);
        if (by !== undefined) await signInByWallet(page, by);
        return page;
      };
      try {
        await work({
          ...{ world, known, browser, person, get },
          visit: (path, by) => enter(path, by, beenHere),
          visitFirst: (path) => enter(path),
          later: async (seconds) => {
            await world.later(seconds);
            for (const page of pages) {
              await page.context().addInitScript(ahead(1_000 * seconds));
              await page.evaluate(ahead(1_000 * seconds));
            }
          },
        });
        const said = found.flat();
        for (const status of refused)
          assert.ok(
            said.some((line) => refusal(status).test(line)),
            `nothing was refused with ${status}`,
          );
        assert.deepEqual(
          said.filter((line) => !refused.some((status) => refusal(status).test(line))),
          [],
        );
      } finally {
        for (const page of pages) await page.context().close();
      }
    });
}
