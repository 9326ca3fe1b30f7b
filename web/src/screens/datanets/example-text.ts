/** How an example is cut for a list. No document is needed here. */

type Message = { role: string; content: string };
type Example = { messages: readonly Message[] } | { prompt: string; completion: string };

const shownMax = 400;
const line = (text: string) => text.slice(0, shownMax).replaceAll(/\s+/g, " ").trim();

/** What an example asks and what is learned from it, each on one line; of a conversation its last question and answer. */
export function sides(example: Example): { asked: string; answered: string } {
  if (!("messages" in example)) return { asked: line(example.prompt), answered: line(example.completion) };
  const last = (role: string) => example.messages.findLast((message) => message.role === role)?.content ?? "";
  return { asked: line(last("user")), answered: line(last("assistant")) };
}

/** A text in pieces: those that are what was searched for, in any case, and those between. `at` is where a piece begins. */
export function parts(text: string, search = ""): { text: string; found: boolean; at: number }[] {
  const wanted = search.toLowerCase();
  // Some letters are longer in lower case: what is found then would be marked in the wrong place.
  const lower = text.toLowerCase();
  if (wanted === "" || lower.length !== text.length) return [{ text, found: false, at: 0 }];
  const cut: { text: string; found: boolean; at: number }[] = [];
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    if (at > from) cut.push({ text: text.slice(from, at), found: false, at: from });
    cut.push({ text: text.slice(at, at + wanted.length), found: true, at });
    from = at + wanted.length;
  }
  if (from < text.length) cut.push({ text: text.slice(from), found: false, at: from });
  return cut;
}
