/** A contribution's report with all its rows: a node gives them in pages. */
import type { NodeClient } from "./http.ts";

const pageRows = 500;

/** @param headers a pass, where texts are gated. @throws CliError `unknown-contribution` */
export async function wholeReport<
  Report extends { readonly exampleCount: number; readonly rows: readonly unknown[] },
>(node: NodeClient, contributionId: number, headers: Readonly<Record<string, string>> = {}): Promise<Report> {
  const page = (offset: number) =>
    node.get<Report>(`/v1/contributions/${contributionId}?offset=${offset}&limit=${pageRows}`, { headers });
  const report = await page(0);
  const rows = [...report.rows];
  while (rows.length < report.exampleCount) {
    const more = (await page(rows.length)).rows;
    if (more.length === 0) break;
    rows.push(...more);
  }
  return { ...report, rows };
}
