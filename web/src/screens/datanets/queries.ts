import { api, ask } from "../../api/client.ts";

type Asked = { signal: AbortSignal };
const path = (datanetId: string) => ({ path: { datanetId } });

/** A Datanet, and where its consents are signed for. */
export const datanetQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}", { params: path(datanetId), signal })),
});

export const versionsQuery = (datanetId: string) => ({
  queryKey: ["datanet", datanetId, "versions"],
  queryFn: ({ signal }: Asked) =>
    ask(api.GET("/v1/datanets/{datanetId}/versions", { params: path(datanetId), signal })),
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
