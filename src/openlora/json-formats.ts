/** Texts that JSON schemas know by the name of their format, as patterns. */

const date =
  "(?:\\d{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31))";
const time = "(?:(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?)";
const offset = "(?:Z|[+\\-](?:[01]\\d|2[0-3]):[0-5]\\d)";
const byte = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]\\d|\\d)";
const label = "[a-z0-9]+(?:-[a-z0-9]+)*";
const host = `${label}(?:\\.${label})*`;
/** Other formats say nothing about the text, as JSON Schema has it. */
export const formats: Readonly<Record<string, string>> = {
  date,
  time: `${time}${offset}`,
  "date-time": `${date}T${time}${offset}`,
  duration: "P(?:\\d{1,4}D(?:T\\d{1,4}H)?|T\\d{1,4}[HMS]|\\d{1,4}[WMY])",
  email: "[A-Za-z0-9]+(?:[._+\\-][A-Za-z0-9]+)*@(?:[A-Za-z0-9]+\\.)+[A-Za-z]{2,12}",
  hostname: host,
  ipv4: `(?:${byte}\\.){3}${byte}`,
  ipv6: "(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}",
  uri: `https?://${host}(?::[1-9]\\d{0,3})?(?:/[A-Za-z0-9._~\\-]*)*`,
  uuid: "[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
};
