/** Where the explorer's pages hang. */
export const explorerTrail = [{ label: "Explorer", to: "/explorer" }];
