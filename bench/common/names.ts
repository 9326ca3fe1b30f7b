/** Names that an option lists, of the known ones: `--tasks a,b`. */

/**
 * @param given as it was written; undefined takes all
 * @returns the names, in the order given
 * @throws what the command line tells in a line with exit code 2, for a name that is not known
 */
export function namesOf<Name extends string>(
  option: string,
  given: string | undefined,
  known: readonly Name[],
): Name[] {
  const names = given?.split(",").filter((name) => name !== "") ?? known;
  return names.map((name) => {
    const found = known.find((each) => each === name);
    if (found === undefined)
      throw Object.assign(new Error(`--${option} names "${name}": expected some of ${known.join(", ")}.`), {
        code: "ERR_PARSE_ARGS_INVALID_OPTION_VALUE",
      });
    return found;
  });
}
