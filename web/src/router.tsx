import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { Page } from "./components/page.tsx";
import { Shell } from "./components/shell.tsx";
import { Empty, Failure, Loading } from "./components/states.tsx";

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Page title="There is no such page">
      <Empty title="Nothing is at this address">
        The navigation leads to what there is; the explorer searches by anything.
      </Empty>
    </Page>
  ),
  errorComponent: ({ error, reset }) => <Failure error={error} retry={reset} />,
});

type Screen = () => Promise<object>;

/** One screen, loaded when it is first opened. */
const screen = <Path extends string>(path: Path, load: Screen, name: string) =>
  createRoute({
    getParentRoute: () => root,
    path,
    component: lazyRouteComponent(load as never, name as never),
  });

const tree = root.addChildren([
  screen("/", () => import("./screens/home/home.tsx"), "Home"),
  screen("/datanets", () => import("./screens/datanets/list.tsx"), "DatanetList"),
  screen("/datanets/new", () => import("./screens/datanets/new.tsx"), "NewDatanetPage"),
  screen("/datanets/$id", () => import("./screens/datanets/datanet.tsx"), "DatanetPage"),
  screen("/datanets/$id/review", () => import("./screens/datanets/review/review.tsx"), "Review"),
  screen(
    "/datanets/$id/contribute",
    () => import("./screens/datanets/contribute/contribute.tsx"),
    "Contribute",
  ),
  screen(
    "/datanets/$id/contributions/$contribution",
    () => import("./screens/datanets/contribution.tsx"),
    "ContributionPage",
  ),
  screen("/models", () => import("./screens/models/list.tsx"), "ModelList"),
  screen("/models/$release", () => import("./screens/release/release.tsx"), "ReleasePage"),
  screen("/factory", () => import("./screens/factory/runs.tsx"), "Runs"),
  screen("/factory/new", () => import("./screens/factory/new.tsx"), "NewRun"),
  screen("/factory/compare", () => import("./screens/factory/compare.tsx"), "Compare"),
  screen("/factory/arena", () => import("./screens/factory/arena.tsx"), "Arena"),
  screen("/factory/$job", () => import("./screens/factory/run.tsx"), "RunPage"),
  screen("/playground", () => import("./screens/playground/playground.tsx"), "Playground"),
  screen("/earnings", () => import("./screens/earnings/earnings.tsx"), "Earnings"),
  screen("/stake", () => import("./screens/stake/stake.tsx"), "Stake"),
  screen("/stake/$pool", () => import("./screens/stake/pool.tsx"), "PoolPage"),
  screen("/governance", () => import("./screens/governance/governance.tsx"), "Governance"),
  screen("/governance/new", () => import("./screens/governance/new.tsx"), "NewProposal"),
  screen("/governance/parameters", () => import("./screens/governance/parameters.tsx"), "ParametersPage"),
  screen("/governance/$proposal", () => import("./screens/governance/proposal.tsx"), "ProposalPage"),
  screen("/account", () => import("./screens/account/account.tsx"), "AccountPage"),
  screen("/explorer", () => import("./screens/explorer/explorer.tsx"), "Explorer"),
  screen("/explorer/blocks/$block", () => import("./screens/explorer/block.tsx"), "Block"),
  screen(
    "/explorer/transactions/$hash",
    () => import("./screens/explorer/transaction.tsx"),
    "TransactionPage",
  ),
  screen("/explorer/accounts/$address", () => import("./screens/explorer/account.tsx"), "Account"),
  screen("/explorer/receipts/$receipt", () => import("./screens/explorer/receipt.tsx"), "ReceiptPage"),
  screen("/explorer/challenges", () => import("./screens/explorer/challenges.tsx"), "Challenges"),
  screen("/explorer/batches/$batch", () => import("./screens/explorer/batch.tsx"), "BatchPage"),
]);

export const router = createRouter({
  routeTree: tree,
  defaultPreload: "intent",
  defaultPendingComponent: () => <Loading rows={6} />,
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
