/** Whether a payer is asked to pay for what was ordered, without a job's schema: pages ask it, too. */
import { type JobPlan, jobDigest } from "../protocol/index.ts";

type Ordered = {
  readonly id: string;
  readonly spec: {
    readonly model: string;
    readonly datanets: readonly { readonly datanetId: string; readonly version: number }[];
  };
};

/** @param digest under which the node says that the plan is paid for */
export const isPlanOf = ({ id, spec }: Ordered, plan: JobPlan, digest: string): boolean =>
  jobDigest(plan) === digest &&
  plan.id === id &&
  plan.model === spec.model &&
  JSON.stringify(plan.datanets) === JSON.stringify(spec.datanets);
