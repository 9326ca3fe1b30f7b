/** A bounded queue in which tenants take turns: however many requests one of them sends, each other waits for one of them only. */

export type FairQueue<T> = {
  readonly size: number;
  readonly tenants: number;
  /** Adds an item at the end of its tenant's line. @returns which limit forbids it, if one does */
  push(tenant: string, item: T): "queue" | "tenant" | undefined;
  /** Waiting items in the order they should be served: every tenant's first, then every tenant's second, … */
  inTurn(): Generator<T>;
  /** Takes an item out to serve it: its tenant's next turn comes after everyone else's. */
  take(item: T): void;
  /** Takes an item out unserved: turns stay as they are. */
  remove(item: T): void;
};

export function createFairQueue<T>(limits: { total: number; perTenant: number }): FairQueue<T> {
  /** Lines by tenant; the map's order is whose turn it is. */
  const lines = new Map<string, T[]>();
  const tenantOf = new Map<T, string>();
  const drop = (item: T): [tenant: string, line: T[]] => {
    const tenant = tenantOf.get(item);
    const line = tenant === undefined ? undefined : lines.get(tenant);
    if (tenant === undefined || line === undefined) throw new RangeError("The item is not in the queue.");
    line.splice(line.indexOf(item), 1);
    tenantOf.delete(item);
    if (line.length === 0) lines.delete(tenant);
    return [tenant, line];
  };
  return {
    get size() {
      return tenantOf.size;
    },
    get tenants() {
      return lines.size;
    },
    push(tenant, item) {
      if (tenantOf.size >= limits.total) return "queue";
      const line = lines.get(tenant) ?? [];
      if (line.length >= limits.perTenant) return "tenant";
      line.push(item);
      lines.set(tenant, line);
      tenantOf.set(item, tenant);
      return undefined;
    },
    *inTurn() {
      const order = [...lines.values()].map((line) => [...line]);
      for (let turn = 0, more = true; more; turn++) {
        more = false;
        for (const line of order) {
          const item = line[turn];
          if (item === undefined) continue;
          more = true;
          yield item;
        }
      }
    },
    take(item) {
      const [tenant, line] = drop(item);
      if (line.length === 0) return;
      lines.delete(tenant);
      lines.set(tenant, line);
    },
    remove(item) {
      drop(item);
    },
  };
}
