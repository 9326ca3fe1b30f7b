/**
 * Work by key, one piece at a time: what is asked for under a key starts once what was asked before it under the same key has ended, well
 * or badly. Keys do not wait for each other, and one without work takes no memory.
 */
export function takeTurns(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const result = (last.get(key) ?? Promise.resolve()).then(work, work);
    const ended = result
      .catch(() => {})
      .then(() => {
        if (last.get(key) === ended) last.delete(key);
      });
    last.set(key, ended);
    return result;
  };
}
