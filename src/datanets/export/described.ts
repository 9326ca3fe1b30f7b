import type { Datanet } from "../datanet.ts";
import type { VersionSummary } from "../publication.ts";
import type { VersionManifest } from "../version.ts";
import type { WithdrawnRow } from "../withdrawal.ts";

/** What a version says about itself, beside its rows. */
export type Described = {
  readonly datanet: Datanet;
  readonly summary: VersionSummary;
  readonly manifest: VersionManifest;
  /** Taken back since. */
  readonly withdrawn: readonly WithdrawnRow[];
};
