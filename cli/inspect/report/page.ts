/** A report as one page of HTML that needs no other file and no network. */
import { createHash } from 'node:crypto';
import type { Report } from '../../../host/report/report.js';
import type { Verification } from '../../../host/report/verification.js';
import { PACKAGE_VERSION } from '../../terminal/version.js';
import { joined, text } from './markup.js';
import { pageData, scriptJson } from './page-data.js';
import { growth, notes, runLengths, summary, verification, where, whose } from './sections.js';

/** What the build makes of page/. */
export interface PageParts {
  readonly script: string;
  readonly style: string;
}

export interface PageInput {
  readonly report: Report;
  readonly verification: Verification | undefined;
  /** Files that were not closed cleanly were allowed. */
  readonly allowUnclean: boolean;
  readonly made: Date;
}

/** Only this script runs, and nothing is loaded. The plots have styles of their own, inline. */
const policyOf = (script: string): string => {
  const hash = createHash('sha256').update(script).digest('base64');
  const rules = ["default-src 'none'", `script-src 'sha256-${hash}'`, "style-src 'unsafe-inline'"];
  return [...rules, "base-uri 'none'", "form-action 'none'"].join('; ');
};

const timeText = (time: Date): string => `${time.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

const titleOf = ({ points }: Report): string => {
  const [first, last] = [points[0]!, points.at(-1)!];
  const to = last.incremental ? `snapshot ${last.sequence + 1n}` : 'the latest change';
  return `What changed from snapshot ${first.sequence} to ${to}`;
};

export const makePage = ({ report, verification: result, allowUnclean, made }: PageInput, parts: PageParts): string => {
  const title = text(titleOf(report)).markup;
  const sections = [where(report), whose(report), runLengths(report), growth(report), verification(result)];
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${text(policyOf(parts.script)).markup}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${parts.style}</style>
</head>
<body>
<main>
<header>
<h1>${title}</h1>
<p>Series ${report.series}. Made by datto-inspect ${text(PACKAGE_VERSION).markup} at <time>${timeText(made)}</time>.</p>
</header>
${summary(report).markup}
${notes(report, allowUnclean).markup}
${joined(sections).markup}
</main>
<div id="tip" role="status" hidden></div>
<script type="application/json" id="data">${scriptJson(pageData(report))}</script>
<script>${parts.script}</script>
</body>
</html>
`;
};
