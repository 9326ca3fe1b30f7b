import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { luhn, mod97, verhoeff } from "./checksums.ts";
import { findPersonalData, maskPersonalData } from "./personal-data.ts";
import { maskExample } from "./personal-data-check.ts";

const kinds = (text: string) =>
  findPersonalData(text).map(({ kind, start, end, country }) => [country ?? kind, text.slice(start, end)]);

test("personal data is found where it stands", () => {
  assert.deepEqual(kinds("Write to jane.doe+x@mail.example.org, or call +44 20 7946 0958."), [
    ["email", "jane.doe+x@mail.example.org"],
    ["phone", "+44 20 7946 0958"],
  ]);
  assert.deepEqual(kinds("IBAN: DE89 3704 0044 0532 0130 00 THEN pay"), [
    ["iban", "DE89 3704 0044 0532 0130 00"],
  ]);
  assert.deepEqual(kinds("GB82WEST12345698765432, 4111-1111-1111-1111; 378282246310005"), [
    ["iban", "GB82WEST12345698765432"],
    ["card", "4111-1111-1111-1111"],
    ["card", "378282246310005"],
  ]);
  assert.deepEqual(kinds("from 8.8.4.4 and 2a00:1450:4001:82a::200e to (415) 555-2671 or 415-555-2671"), [
    ["ip", "8.8.4.4"],
    ["ip", "2a00:1450:4001:82a::200e"],
    ["phone", "(415) 555-2671"],
    ["phone", "415-555-2671"],
  ]);
  assert.deepEqual(kinds("Telefon: 030 1234567, Fax 0201/123-456"), [
    ["phone", "030 1234567"],
    ["phone", "0201/123-456"],
  ]);
});

test("national ids are found by their check digits", () => {
  // Each state's published specimen, or a number of its form with the check digit computed by hand.
  assert.deepEqual(
    kinds(
      "12345678Z X1234567L RSSMRA85T10A562S 111.444.777-35 85.07.30-033.28 756.9217.0769.85 811228-9874 131052-308T " +
        "2341 2341 2346 11010519491231002X 2 55 08 14 168 025 38 PESEL 44051401359 BSN: 111222333 Steuer-ID 86 095 742 719",
    ).map(([country]) => country),
    ["ES", "ES", "IT", "BR", "BE", "CH", "SE", "FI", "IN", "CN", "FR", "PL", "NL", "DE"],
  );
  assert.deepEqual(
    kinds("12345678A X1234567M RSSMRA85T10A562T 111.444.777-36 85.07.30-033.29 811228-9875 BSN: 111222334"),
    [],
  );
});

test("what only looks like personal data is left alone", () => {
  for (const text of [
    "It costs 4111.1111 or 1,234,567,890.12; 3 + 4 = 7, 48/2=24, +1000000 is a million.",
    "Version 10.2.3.4 runs at 127.0.0.1, 192.168.1.20 and 10.0.0.1; section 1.2.3.4.5; v1.2.3.4",
    "Call a@b and @jane, std::vector, 12:30:45, aa:bb:cc, fe80::1, ::1, 2001:db8::1",
    "The sum 1234567812345678 fails Luhn; the year 1990-2000; ISBN 978-3-16-148410-0; 2024-01-31",
    "0.4111111111111111 and 00000000000000 and DE00 3704 0044 0532 0130 00 are nothing",
    "He bought 24 apples at 2.50 each, 60 in all: <<24*2.5=60>>60 #### 60",
    "pi = 3.14159265358979323846, e = 2.718281828459045",
    "the 555-1234 of films; extension 123-456-7890; part A1234567B",
  ])
    assert.deepEqual(kinds(text), [], text);
});

test("masks take the place of what is found, and the rest stays", () => {
  assert.equal(maskPersonalData("jane@x.org"), "[email]");
  assert.equal(maskPersonalData("Ask jane@x.org or +1 415 555 2671 now."), "Ask [email] or [phone] now.");
  const clean = { prompt: "What?", completion: "That." };
  assert.equal(maskExample(clean), clean);
  assert.deepEqual(
    maskExample({
      messages: [
        { role: "user", content: "I am jane@x.org" },
        { role: "assistant", content: "Hi" },
      ],
    }),
    {
      messages: [
        { role: "user", content: "I am [email]" },
        { role: "assistant", content: "Hi" },
      ],
    },
  );
});

const digits = (length: number) => fc.stringMatching(new RegExp(`^\\d{${length}}$`));

test("any e-mail address, card and IBAN is found in any plain sentence, and none with a digit changed", () => {
  const word = fc.stringMatching(/^[a-z]{2,8}$/);
  fc.assert(
    fc.property(word, word, word, fc.constantFrom("org", "com", "de"), (a, b, before, top) => {
      const text = `${before} ${a}@${b}.${top} ${a}`;
      assert.equal(maskPersonalData(text), `${before} [email] ${a}`);
    }),
  );
  fc.assert(
    fc.property(digits(14), word, fc.nat({ max: 9 }), (body, before, wrong) => {
      const check = [..."0123456789"].find((digit) => luhn(`4${body}${digit}`)) as string;
      const card = `4${body}${check}`;
      assert.equal(maskPersonalData(`${before} ${card}.`), `${before} [card].`);
      if (String(wrong) !== check) assert.deepEqual(kinds(`${before} 4${body}${wrong}.`), []);
    }),
  );
  fc.assert(
    fc.property(digits(18), word, fc.boolean(), (body, before, spaced) => {
      const check = String(98 - mod97(`${body}DE00`)).padStart(2, "0");
      const plain = `DE${check}${body}`;
      const iban = spaced ? plain.replace(/(.{4})(?=.)/g, "$1 ") : plain;
      assert.equal(maskPersonalData(`${before} ${iban}, so`), `${before} [iban], so`);
      const wrong = `DE${check === "50" ? "51" : "50"}${body}`;
      assert.equal(kinds(`${before} ${wrong}, so`).filter(([kind]) => kind === "iban").length, 0);
    }),
  );
});

test("Verhoeff's digit catches every single wrong digit and every exchange of neighbours", () => {
  assert.ok(verhoeff("2363") && verhoeff("1428570"));
  fc.assert(
    fc.property(digits(11), fc.nat({ max: 11 }), fc.integer({ min: 1, max: 9 }), (body, at, change) => {
      const whole = body + [..."0123456789"].find((digit) => verhoeff(body + digit));
      const wrong = [...whole];
      wrong[at] = String((Number(wrong[at]) + change) % 10);
      assert.ok(!verhoeff(wrong.join("")));
      const exchanged = [...whole];
      [exchanged[at], exchanged[(at + 1) % 12]] = [whole[(at + 1) % 12] as string, whole[at] as string];
      if (at < 11 && exchanged.join("") !== whole) assert.ok(!verhoeff(exchanged.join("")));
    }),
  );
});

test("masking anything leaves nothing to mask, and changes nothing else", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "jane@x.org",
      "+49 30 1234567",
      "4111 1111 1111 1111",
      "8.8.8.8",
      "DE89370400440532013000",
      "12345678Z",
    ),
    fc.constantFrom(" ", "-", ".", "+", "@", "(", "", "[", "BSN ", "Tel. "),
    fc.string({ maxLength: 6 }),
    digits(9),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join("");
      const masked = maskPersonalData(text);
      assert.deepEqual(findPersonalData(masked), []);
      if (findPersonalData(text).length === 0) assert.equal(masked, text);
    }),
    { numRuns: 2_000 },
  );
});

test("hostile text takes no longer than it is long", () => {
  const of = (part: string) => part.repeat(Math.ceil(250_000 / part.length));
  const started = process.cpuUsage();
  for (const part of [
    "1",
    "a",
    "a@",
    "a.",
    "+1",
    "+1 ",
    "1-",
    "1:",
    "DE12",
    "DE12 ",
    "tel ",
    "0 0",
    "(415) ",
    "1.1.",
    "BSN BSN ",
  ])
    findPersonalData(of(part));
  const { user, system } = process.cpuUsage(started);
  assert.ok(user + system < 8e6, `${(user + system) / 1e6} s`);
});
