import { useNavigate, useSearch } from "@tanstack/react-router";

type Changes = Readonly<Record<string, string | number | undefined>>;

/** What a page shows of itself, as its address has it, so that a link leads back to the same. Undefined leaves out. */
export function useFilters(): [(name: string) => string | undefined, (changes: Changes) => void] {
  const search = useSearch({ strict: false }) as Record<string, unknown>;
  const navigate = useNavigate();
  const read = (name: string) => {
    const value = search[name];
    return value === undefined || value === "" ? undefined : String(value);
  };
  const change = (changes: Changes) =>
    void navigate({
      to: ".",
      search: ((before: object) => ({ ...before, ...changes })) as never,
      replace: true,
      resetScroll: false,
    });
  return [read, change];
}
