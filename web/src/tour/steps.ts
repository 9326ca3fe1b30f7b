/** What the first look shows, and where. */
export type TourStep = {
  readonly name: "network" | "key" | "rows" | "train" | "ask" | "earn";
  /** The screen that it speaks of. */
  readonly to: "/" | "/datanets" | "/factory" | "/playground" | "/earnings";
  readonly title: string;
  readonly text: string;
};

export const tourSteps: readonly TourStep[] = [
  {
    name: "network",
    to: "/",
    title: "What happens here",
    text: "People give knowledge, models are trained on it, and each answer pays those whose knowledge it came from. Home shows it as it happens.",
  },
  {
    name: "key",
    to: "/",
    title: "A key of your own",
    text: "Sign in makes one on this device, under a password, in a moment. Who you are here is that key and nothing else.",
  },
  {
    name: "rows",
    to: "/datanets",
    title: "Give what you know",
    text: "Open a Datanet and contribute a text or a table. You sign for exactly those rows, and they stay yours.",
  },
  {
    name: "train",
    to: "/factory",
    title: "Make a model of it",
    text: "New model takes published rows and a recipe. Whose rows it was made from is written into its release.",
  },
  {
    name: "ask",
    to: "/playground",
    title: "Ask, and see who is paid",
    text: "Beside each answer stand the rows it came from, the share of each contributor, and how far the payment is.",
  },
  {
    name: "earn",
    to: "/earnings",
    title: "Earn",
    text: "When answers come from your rows, what they paid gathers under Earnings. Claiming it costs you no gas.",
  },
];

/** Where a person is: not asked yet, at a step, or through with it. */
export type TourPlace = "new" | "done" | number;

/** What a browser has kept of it; anything else there is a newcomer's. */
export function readPlace(kept: string | null): TourPlace {
  if (kept === "done") return "done";
  const step = kept !== null && /^\d$/.test(kept) ? Number(kept) : -1;
  return step >= 0 && step < tourSteps.length ? step : "new";
}
