import type { Example } from "../../protocol/index.ts";
import { eachRow, fieldsOf } from "./each-row.ts";
import { findPersonalData, maskPersonalData, type PersonalKind } from "./personal-data.ts";
import type { Check } from "./verdict.ts";

const placesMax = 20;
const names: Record<PersonalKind, readonly [one: string, many: string]> = {
  email: ["an e-mail address", "e-mail addresses"],
  phone: ["a phone number", "phone numbers"],
  iban: ["a bank account (IBAN)", "bank accounts (IBAN)"],
  card: ["a card number", "card numbers"],
  ip: ["an IP address", "IP addresses"],
  "national-id": ["a national id", "national ids"],
};

/** Says of what kind personal data is and where it stands, never what it is. */
export const personalDataCheck = (): Check =>
  eachRow("personal-data", ({ example }) => {
    const found = fieldsOf(example).flatMap(({ field, text }) =>
      findPersonalData(text).map((each) => ({ field, ...each })),
    );
    if (found.length === 0) return undefined;
    const counts = new Map<PersonalKind, number>();
    for (const { kind } of found) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const listed = [...counts].map(([kind, count]) =>
      count === 1 ? names[kind][0] : `${count} ${names[kind][1]}`,
    );
    return {
      message: `It holds personal data: ${listed.join(", ")}. Mask it, or leave it out.`,
      details: { places: found.slice(0, placesMax), count: found.length },
    };
  });

/** The example with personal data in all its texts masked; the same object where there is none. */
export function maskExample(example: Example): Example {
  if (fieldsOf(example).every(({ text }) => findPersonalData(text).length === 0)) return example;
  return "messages" in example
    ? {
        messages: example.messages.map(({ role, content }) => ({ role, content: maskPersonalData(content) })),
      }
    : { prompt: maskPersonalData(example.prompt), completion: maskPersonalData(example.completion) };
}
