import { type Address, type Hex, stringToHex } from "viem";

/** Values the protocol starts with; governance may change them later within their bounds. */
export type ProtocolSettings = {
  /** Basis points of the whole fee, summing to 10,000; `owners` is a part of `data`. */
  readonly feeSplit: {
    readonly operator: number;
    readonly treasury: number;
    readonly developer: number;
    readonly stakers: number;
    readonly data: number;
    readonly owners: number;
  };
  /** By the ids of `ProtocolParameters`, which ends them in their unit. */
  readonly values: Readonly<Record<SettingName, bigint>>;
};

export type SettingName = keyof typeof genesisValues | "treasury" | "stakersPool";

const open = 10n ** 18n;
const minute = 60n;
const day = 86_400n;

/** The fee split every network starts with. */
export const genesisFeeSplit: ProtocolSettings["feeSplit"] = {
  operator: 1_500,
  treasury: 500,
  developer: 2_000,
  stakers: 1_000,
  data: 5_000,
  owners: 1_000,
};

/** What a public network starts with. */
export const genesisValues = {
  settlementWindowSeconds: 3n * day,
  closeTimeoutSeconds: day,
  minimumBondWei: 1_000n * open,
  registrationFeeWei: 10n * open,
  proverRewardBps: 3_000n,
  minimumThresholdMillionths: 100_000n,
  demandFeeWei: open / 10n,
  refundDelaySeconds: 30n * day,
  receiptDeadlineSeconds: 7n * day,
  lateReceiptSlashWei: open,
  epochSeconds: day,
  unbondingSeconds: 25n * day,
  verdictSeconds: 12n * 60n * minute,
  appealSeconds: 18n * day,
  minimumStakeWei: 10_000n * open,
  quorumSlashBps: 500n,
  drawnValidators: 16n,
  votingDelaySeconds: day,
  votingPeriodSeconds: 7n * day,
  timelockDelaySeconds: 7n * day,
  proposalThresholdWei: 10_000n * open,
  quorumTotalBps: 100n,
  quorumCirculatingBps: 400n,
  minimumTipWei: 10n ** 9n,
  releaseBondWei: 1_000n * open,
  attestationRequired: 1n,
} as const satisfies Record<string, bigint>;

/** A local network waits for seconds where a public one waits for days, and asks for less. */
export const localValues: Readonly<Record<keyof typeof genesisValues, bigint>> = {
  ...genesisValues,
  settlementWindowSeconds: 2n,
  minimumBondWei: open,
  registrationFeeWei: open,
  demandFeeWei: open / 100n,
  receiptDeadlineSeconds: day,
  lateReceiptSlashWei: open / 10n,
  epochSeconds: 5n,
  unbondingSeconds: 30n,
  verdictSeconds: 2n,
  appealSeconds: 20n,
  minimumStakeWei: 100n * open,
  votingDelaySeconds: 1n,
  votingPeriodSeconds: 10n,
  timelockDelaySeconds: 2n,
  releaseBondWei: open,
  // It has no validators.
  attestationRequired: 0n,
};

/** As the constructor of `ProtocolParameters` takes them. */
export function settingList({ values }: ProtocolSettings): { id: Hex; value: bigint }[] {
  return Object.entries(values).map(([name, value]) => ({ id: stringToHex(name, { size: 32 }), value }));
}

/** A local network's start, with changes. */
export function localSettings(
  payees: { readonly treasury: Address; readonly stakersPool: Address },
  changes: Partial<Record<keyof typeof genesisValues, bigint>> = {},
): ProtocolSettings {
  return {
    feeSplit: genesisFeeSplit,
    values: {
      ...localValues,
      ...changes,
      treasury: BigInt(payees.treasury),
      stakersPool: BigInt(payees.stakersPool),
    },
  };
}
