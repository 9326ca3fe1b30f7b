/** Collecting garbage when it is known to be much: graphs hold memory beside JavaScript's own, which V8 does not count when it decides. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** Lets go of what nothing holds any more, in this thread; tens of milliseconds. */
export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}
