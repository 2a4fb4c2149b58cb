/** The page of `datto-inspect report`, of a real volume, as text and in a browser. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { PageData } from '../../cli/inspect/report/page-data.js';
import type { TreeNode } from '../../host/report/files.js';
import { at, runTool } from '../cli/tool.js';
import type { VolumeFile } from './volume.js';
import { makeVolume } from './volume.js';

const BLOCK = 4096;
const BYTES = 64 * 2 ** 20;
/** With its folder, a name that would end a script and begin a picture. */
const HOSTILE = '/srv/</script><img src=x onerror="document.title=1">&amp;\u202e';
const FILES: readonly VolumeFile[] = [
  { path: '/srv/database', blocks: 3000, changed: [0.2, 0.1] },
  { path: '/home/ada/film', blocks: 2000, changed: [0, 1] },
  { path: '/home/ada/mail', blocks: 40, changed: [1, 0] },
  { path: HOSTILE, blocks: 64, changed: [1, 1] },
  { path: '/.second', blocks: 30, changed: [1, 1] },
];
const COWS = ['.first', '.second"><b>'];
const [first = [], second = []] = makeVolume(at('volume'), BYTES, FILES, COWS.map(at));
// The name of a COW file as the volume has it.
const cowBlocks = 30;

const report = (...args: string[]) => runTool('datto-inspect', ['report', '-f', '-o', 'page.html', ...args]);
const made = report('--image', 'volume', '--json', ...COWS);
const html = readFileSync(at('page.html'), 'utf8');
const data = JSON.parse(
  /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(html)?.[1] ?? '',
) as PageData;

const bytesOf = (node: TreeNode): number =>
  'bytes' in node ? node.bytes : node.children.reduce((sum, child) => sum + bytesOf(child), 0);
const nodesOf = (node: TreeNode): number =>
  1 + ('bytes' in node ? 0 : node.children.reduce((sum, child) => sum + nodesOf(child), 0));

test('the data of the page are the blocks that changed, each once', () => {
  assert.is(made.status, 0, made.stderr);
  const changed = new Set([...first, ...second]).size;
  const sum = data.changed.reduce((all, blocks) => all + blocks, 0);
  assert.is(sum, changed);
  assert.is(
    data.histogram.reduce((all, { blocks }) => all + blocks, 0),
    changed,
  );
  assert.equal(
    data.points.map(({ label, blocks }) => [label, blocks]),
    [
      ['1 to 2', first.length],
      ['2 to 3', second.length],
    ],
  );
  assert.is(bytesOf(data.tree!), changed * BLOCK);
  const { changed_blocks: said, files } = JSON.parse(made.stdout) as Record<string, unknown>;
  assert.is(said, changed);
  // Folders have blocks, too.
  assert.ok(Number(files) >= FILES.length);
});

test('the blocks of the COW file itself are in no figure, and the page says so', () => {
  assert.match(html, /No COW file was found on the volume by its name/);
  makeVolume(at('named'), BYTES, FILES, [at('.second')]);
  const { changed_blocks: changed, cow_blocks: own } = JSON.parse(
    report('--image', 'named', '--json', '.second').stdout,
  ) as Record<string, number>;
  const all = JSON.parse(report('--json', '--image', 'named', '.first').stdout) as Record<string, number>;
  assert.equal([own, changed], [cowBlocks, (all.changed_blocks ?? 0) - cowBlocks]);
  report('--image', 'named', '.second');
  assert.match(readFileSync(at('page.html'), 'utf8'), /left out of all figures: \/\.second \(30 blocks, 120 KiB\)/);
});

test('hostile names stay texts', () => {
  assert.is(html.match(/<script/g)?.length, 2);
  assert.is(html.match(/<\/script>/g)?.length, 2);
  assert.not.match(html, /<img|<b>|\u202e/);
  assert.ok(html.includes('&lt;img src=x onerror=&quot;document.title=1&quot;&gt;&amp;amp;\\u{202e}'));
});

test('nothing is loaded, and only the script of the page may run', () => {
  assert.match(
    html,
    /content="default-src &#39;none&#39;; script-src &#39;sha256-[^ ]+&#39;; style-src &#39;unsafe-inline&#39;;/,
  );
  const markup = html.replace(/<script[\s\S]*?<\/script>/g, '');
  assert.not.match(markup, /<[^>]*\b(?:src|href|style|on\w+)=|@import|url\(/);
});

test('without an image or a result of a verification, the page says so; with one, it shows it', () => {
  const { status, stderr } = report('.first');
  assert.equal([status, stderr], [0, '']);
  const plain = readFileSync(at('page.html'), 'utf8');
  assert.match(plain, /They are not known: no image was given/);
  assert.match(plain, /No result of a verification was given/);
  const compared = runTool('datto-verify', ['compare', '--json', 'volume', 'volume']);
  assert.is(compared.status, 0, compared.stderr);
  writeFileSync(at('result'), compared.stdout);
  assert.is(report('--verification', 'result', '.first').status, 0);
  const verified = readFileSync(at('page.html'), 'utf8');
  assert.match(verified, /✓ good<\/strong> The blocks that were compared are equal to the snapshot\./);
  assert.match(verified, /<td>blocks compared<\/td><td>16,384<\/td>/);
  const { status: refused, stderr: why } = report('--verification', '.first', '.first');
  assert.is(refused, 1);
  assert.match(
    why,
    /^datto-inspect: cannot use \.first: it is no JSON, expected an image's state file, or what [^\n]*\n$/,
  );
});

const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = BROWSERS.find((path) => existsSync(path));
if (executablePath === undefined)
  console.log('skipped: the page in a browser, for want of Chromium: apt-get install chromium');

/** Needs Chromium, which `npm run test:all` installs. */
const inBrowser = executablePath === undefined ? test.skip : test;

let browser: Browser;
const complaints: string[] = [];

const open = async (colorScheme: 'light' | 'dark'): Promise<Page> => {
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, colorScheme });
  page.setDefaultTimeout(10_000);
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith('file:')) complaints.push(request.url());
  });
  await page.goto(pathToFileURL(at('page.html')).href);
  return page;
};

test.before(async () => {
  if (executablePath !== undefined) browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
});
test.after(async () => browser?.close());

for (const scheme of ['light', 'dark'] as const) {
  inBrowser(
    `the page in a browser, ${scheme}: shapes as the data have them, offsets on hover, no complaint`,
    async () => {
      report('--image', 'volume', ...COWS);
      const page = await open(scheme);
      const count = (shapes: string): Promise<number> => page.locator(shapes).count();
      assert.is(await count('#map .cells rect'), 4 ** data.order);
      assert.is(await count('#strip .columns rect'), 256);
      assert.is(await count('#runs .bars rect'), 2 * data.histogram.length);
      assert.is(await count('#growth .bars rect'), 2);
      assert.is(await count('#tree .areas rect'), nodesOf(data.tree!) - 1);
      // A cell in its colour is one that changed.
      const colours = await page
        .locator('#map .cells rect')
        .evaluateAll((cells) => cells.map((cell) => cell.getAttribute('fill')));
      const unchanged = scheme === 'light' ? '#e8eaf0' : '#181a26';
      assert.is(
        colours.filter((colour) => colour !== unchanged).length,
        data.changed.filter((blocks) => blocks > 0).length,
      );

      const [step, [name = 0] = []] = data.cells.map(([cell = 0, ...pairs]) => [cell, pairs] as const).at(-1) ?? [0];
      await page.locator('#map .cells rect').nth(step).hover();
      const tip = (await page.locator('#tip').textContent()) ?? '';
      assert.match(tip, /^offset [\d.]+ MiB to [\d.]+ MiB\nblocks [\d,]+ to [\d,]+\n.* changed: \d+ of \d+ blocks\n/);
      assert.ok(tip.includes(`${data.names[name]}: `), tip);
      const [from, to] = [0, 1].map((more) => ((data.firstBlocks[step + more] ?? 0) * BLOCK) / 2 ** 20);
      assert.ok(tip.startsWith(`offset ${Number(from?.toFixed(3))} MiB to ${Number(to?.toFixed(3))} MiB`), tip);
      assert.is(await page.title(), 'What changed from snapshot 1 to snapshot 3');

      await page.locator('#runs .columns rect').last().hover();
      const { to: longest, runs } = data.histogram.at(-1)!;
      const bar = (await page.locator('#tip').textContent()) ?? '';
      assert.ok(bar.includes(`to ${longest.toLocaleString('en')} blocks\n${runs.toLocaleString('en')} runs\n`), bar);
      // Tables are reached by the keyboard.
      await page.locator('summary').first().focus();
      await page.keyboard.press('Enter');
      await page.keyboard.press('Tab');
      const rows = await page.evaluate(() => document.activeElement?.querySelectorAll('tbody tr').length ?? 0);
      assert.ok(rows > 5 && rows <= 50, `${rows}`);
      // Nothing is wider than the page, on a small screen too.
      await page.setViewportSize({ width: 420, height: 800 });
      assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 420);
      await page.close();
      assert.equal(complaints, []);
    },
  );
}

test.run();
