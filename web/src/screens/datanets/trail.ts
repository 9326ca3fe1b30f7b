/** Where a Datanet's pages hang. */
export const datanetsTrail = [{ label: "Datanets", to: "/datanets" }];

/** The same below one Datanet. */
export const datanetTrail = (datanetId: string, name?: string) => [
  ...datanetsTrail,
  { label: name ?? `Datanet ${datanetId}`, to: `/datanets/${datanetId}` },
];
