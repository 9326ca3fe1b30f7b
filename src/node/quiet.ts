/** Work on what is stored that must not meet other such work: a backup reads what a collection would take away. */
export type Quiet = {
  /** Takes the place; false while somebody has it. Whoever has taken it ends. */
  begin(): boolean;
  end(): void;
  /** Does it, or remembers it until what is under way has ended; then nobody waits for it, and how it failed is logged. */
  when(work: () => Promise<void>): Promise<void>;
};

export function createQuiet(log: (message: string) => void): Quiet {
  let busy = false;
  const waiting: (() => Promise<void>)[] = [];

  function end(): void {
    const next = waiting.shift();
    busy = next !== undefined;
    next?.()
      .catch((error: Error) => log(`What waited for a backup or a collection failed: ${error.message}`))
      .finally(end);
  }
  function begin(): boolean {
    if (busy) return false;
    busy = true;
    return true;
  }

  return {
    begin,
    end,
    async when(work) {
      if (!begin()) {
        waiting.push(work);
        return;
      }
      try {
        await work();
      } finally {
        end();
      }
    },
  };
}
