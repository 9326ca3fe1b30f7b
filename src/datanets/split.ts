/** Training rows become leaves of versions; held-out rows evaluate and give the null rows of attribution, and are never trained on. */
export type Split = "train" | "heldout";
