import { api, ask } from "../../api/client.ts";
import { passHeaders } from "./pass.ts";

type Asked = { signal: AbortSignal };
const path = (datanetId: string) => ({ path: { datanetId } });

/** A Datanet, and where its consents are signed for. */
export const datanetQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}", { params: path(datanetId), signal })),
});

const versionsAtOnce = 100;
const versionsOf = (datanetId: string, before: number | undefined, signal: AbortSignal) =>
  ask(
    api.GET("/v1/datanets/{datanetId}/versions", {
      params: { ...path(datanetId), query: { limit: versionsAtOnce, ...(before && { before }) } },
      signal,
    }),
  );

/** The newest versions, to choose one of. */
export const versionsQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "versions", "newest"],
  queryFn: ({ signal }: Asked) => versionsOf(datanetId, undefined, signal),
});

/** All versions, a page after the other. */
export const versionPages = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "versions", "pages"],
  initialPageParam: undefined as number | undefined,
  queryFn: ({ signal, pageParam }: Asked & { pageParam: number | undefined }) =>
    versionsOf(datanetId, pageParam, signal),
  getNextPageParam: ({ versions }: Awaited<ReturnType<typeof versionsOf>>) =>
    versions.length < versionsAtOnce ? undefined : versions.at(-1)?.version,
});

export const versionQuery = (datanetId: string, version: number) => ({
  queryKey: ["datanet", datanetId, "versions", version],
  queryFn: ({ signal }: Asked) =>
    ask(
      api.GET("/v1/datanets/{datanetId}/versions/{version}", {
        params: { path: { datanetId, version } },
        signal,
      }),
    ),
});

export const rulesQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "rules"],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}/rules", { params: path(datanetId), signal })),
});

export const accessQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "access"],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}/access", { params: path(datanetId), signal })),
});

export const standingQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "review"],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}/review", { params: path(datanetId), signal })),
});

export const usesQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "uses"],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}/uses", { params: path(datanetId), signal })),
});

export const licensesQuery = {
  queryKey: ["licenses"],
  queryFn: ({ signal }: Asked) => ask(api.GET("/v1/licenses", { signal })),
  staleTime: Number.POSITIVE_INFINITY,
};

/** What registering a Datanet costs, as the chain has it: wei. */
export const registrationFeeQuery = {
  queryKey: ["registration fee"],
  queryFn: async () => {
    const { chainView, now } = await import("../../chain/view.ts");
    const { public: reader, at } = await chainView();
    return reader.readContract({ ...at.ProtocolParameters, functionName: "registrationFeeWei", ...now });
  },
};

/** Who curates, as the chain has it. */
export const curatorsQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "curators"],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}/curators", { params: path(datanetId), signal })),
});

export const electionsQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "elections"],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}/elections", { params: path(datanetId), signal })),
});

/** What publishing would make: for the operator, or with a curator's pass. */
export const nextVersionQuery = (datanetId: string, pass?: string) => ({
  queryKey: ["datanet", datanetId, "next", pass ?? ""],
  queryFn: ({ signal }: Asked) =>
    ask(
      api.GET("/v1/datanets/{datanetId}/next", {
        params: path(datanetId),
        headers: passHeaders(pass),
        signal,
      }),
    ),
});
