import { useNavigate, useSearch } from "@tanstack/react-router";

/** A value that lives in the address, so that a link leads back to what is seen; `fallback` is left out of it. */
export function useAddressParam(name: string, fallback = ""): [string, (value: string) => void] {
  const search = useSearch({ strict: false }) as Record<string, unknown>;
  const navigate = useNavigate();
  const value = search[name];
  const choose = (next: string) =>
    void navigate({
      to: ".",
      search: ((before: Record<string, unknown>) => ({
        ...before,
        [name]: next === fallback ? undefined : next,
      })) as never,
      replace: true,
    });
  return [value === undefined ? fallback : String(value), choose];
}
