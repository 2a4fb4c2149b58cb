// The log of an XFS and the live checkpoint, at random: own mounts and power cuts are taken, a mount elsewhere never is.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ENGINES, type Engine, errno, INCREMENTAL, refusal } from './harness.js';
import { type Random, randomFrom } from './live-disk.js';
import { PlainFile } from './live-driver.js';
import { Tracked } from './live-tracked.js';
import { Journal, Mounted, type Piece } from './xfs-journal.js';
import { xfsSuperblock } from './xfs-superblock.js';

const SIZE = 8n * 100_000n;
const SECTORS = 32768;
const LOG_START = 45600;
const SUPERBLOCK = xfsSuperblock({ group: 1, within: 700, logBlocks: SECTORS / 8 });
/** HISTORIES, SEED and ENGINE: another number of them, from another one on, in one engine. */
const HISTORIES = Number(process.env.HISTORIES ?? 12);
const SEED = Number(process.env.SEED ?? 1);
const ENGINE = process.env.ENGINE;

const readerOf =
  (journal: Journal) =>
  (block: number): Buffer => {
    const sectors = Array.from({ length: 8 }, (_, i) => block * 8 + i - LOG_START);
    return Buffer.concat(sectors.map((at) => (at >= 0 && at < SECTORS ? journal.read(at) : Buffer.alloc(512))));
  };

/** What live_rest() says of a log that ends there. */
const restAt = (end: number): bigint[] => [SECTORS, (end - 1) % SECTORS, Math.floor((end - 1) / SECTORS)].map(BigInt);

/** The COW file, on the same disk: what is flushed for it is all that has ended. */
class FileOn extends PlainFile {
  constructor(readonly journal: Journal) {
    super();
  }

  override flush(): void {
    this.journal.flush();
  }
}

/** An origin with an XFS, and what goes to its log. */
class Origin {
  all: Tracked;
  /** No header can speak of what went. */
  given = false;

  constructor(
    readonly engine: Engine,
    readonly journal: Journal,
    file: PlainFile = new FileOn(journal),
  ) {
    this.all = new Tracked(engine, SIZE, file);
    this.all.superblock = SUPERBLOCK;
    this.all.driver.other = readerOf(journal);
  }

  call(piece: Piece): bigint {
    const { bench } = this.all;
    const first = piece.sectors.get(piece.position);
    const last = piece.sectors.get(piece.position + piece.count - 1);
    assert.ok(first && last);
    bench.buffer().fill(0, 0, 1024);
    bench.buffer().set(first);
    bench.buffer().set(last, 512);
    return bench.call('live_log', piece.position % SECTORS, piece.count);
  }

  readonly ask = (piece: Piece): void => {
    for (let result: bigint; !this.given && (result = this.call(piece)) !== 1n; ) {
      if (result === 0n) {
        this.all.driver.renew();
        continue;
      }
      assert.is(result, errno('EOPNOTSUPP'));
      this.all.driver.drop();
      this.given = true;
    }
  };

  rest(end: number): void {
    assert.is(this.all.bench.call('live_rest', ...restAt(end)), 0n);
  }

  /** The next snapshot is taken while the log is at rest. */
  takeSnapshot(end: number): void {
    const { all } = this;
    const next = all.takeNext(this.engine, new FileOn(this.journal));
    next.superblock = SUPERBLOCK;
    next.driver.other = readerOf(this.journal);
    assert.is(all.driver.live(), 0n);
    all.driver.handOver(next.bench, restAt(end));
    assert.is(next.driver.identity(SUPERBLOCK, false), 1n);
    all.close();
    this.all = next;
  }

  /** Loads what is on disk. */
  load(): bigint {
    const { bench, driver } = this.all;
    driver.look('END');
    bench.call('live_rest', bench.stat('LOG_SECTORS'), bench.stat('LOG_LAST'), bench.stat('LOG_CYCLE'));
    return driver.load();
  }

  close(): void {
    this.all.bench.close();
  }
}

const writeSome = (random: Random, mounted: Mounted, most: number): void => {
  const length = [16, 64, 512][random(3)]!;
  for (let i = random(most); i > 0; i--) mounted.write(length);
};

/**
 * What came of histories: loads taken, and refused: our first record was not on disk, or the log had gaps; mounts elsewhere; given up;
 * and snapshots that were taken.
 */
const NOTHING = { own: 0, refused: 0, elsewhere: 0, given: 0, taken: 0 };
type Outcome = typeof NOTHING;

const history = (engine: Engine, seed: number): Outcome => {
  const random = randomFrom(seed);
  const journal = new Journal(SECTORS, random);
  const outcome = { ...NOTHING };
  let end = SECTORS + 100 + random(4 * SECTORS);
  journal.fill(end);
  let origin = new Origin(engine, journal);
  // An earlier mount has left stamps, or none.
  if (random(2)) {
    const before = new Mounted(journal, end, end, () => {});
    before.stamp();
    writeSome(random, before, 30);
    before.rest();
    end = before.end;
  }
  let mounted: Mounted | undefined;
  if (random(2)) {
    mounted = new Mounted(journal, end, end, origin.ask);
    if (random(2)) mounted.stamp();
    writeSome(random, mounted, 30);
    mounted.rest();
    end = mounted.end;
  }
  origin.rest(end);
  if (mounted && random(2)) writeSome(random, mounted, 40);
  const { driver } = origin.all;
  assert.is(driver.look('STAMPS'), errno('ENODATA'));
  if (origin.all.driver.identity(SUPERBLOCK, false) !== 1n || driver.live() !== 0n)
    assert.unreachable(`${seed}: no checkpoint`);

  for (let cuts = 1 + random(3); cuts > 0 && !origin.given; cuts--) {
    let at: Mounted;
    if (mounted) {
      at = mounted;
      mounted = undefined;
    } else {
      at = new Mounted(journal, end, end - random((3 * SECTORS) / 4), origin.ask);
      at.stamp();
    }
    writeSome(random, at, random(3) ? 60 : 300);
    if (origin.given) break;
    if (random(4) === 0 && origin.all.bench.stat('MODE') === INCREMENTAL) {
      at.rest();
      origin.takeSnapshot(at.end);
      outcome.taken++;
      writeSome(random, at, random(3) ? 20 : 200);
      if (origin.given) break;
    }
    const ended = random(8) === 0 ? at.unmount() : undefined;
    // As after a mount that was made read-only for a while.
    if (ended && random(2)) writeSome(random, at, 10);
    if (origin.given) break;
    at.cut();
    end = at.found();
    const hasGaps = at.hasBehind(end);
    const isElsewhere = random(3) === 0;
    if (isElsewhere) {
      const elsewhere = new Mounted(journal, end, at.tail, () => {});
      elsewhere.stamp();
      elsewhere.rest();
      writeSome(random, elsewhere, [1, 3, 20, 200][random(4)]!);
      if (random(2)) elsewhere.rest();
      else elsewhere.cut();
    }
    const next = new Origin(engine, journal, origin.all.file);
    origin.close();
    origin = next;
    const result = origin.load();
    if (isElsewhere) {
      assert.is(result, refusal('FOREIGN'), `seed ${seed}: a mount elsewhere was not seen`);
      outcome.elsewhere++;
      break;
    }
    if (result !== 0n) {
      assert.is(result, refusal('FOREIGN'), `seed ${seed}`);
      assert.ok(ended || hasGaps || !at.hasFirst(), `seed ${seed}: our own log was refused`);
      outcome.refused++;
      break;
    }
    // Of the record behind it the header is on disk, at least.
    if (ended) assert.ok(journal.has(ended), `seed ${seed}: a log that an unmount has ended was taken`);
    outcome.own++;
  }
  if (origin.given) outcome.given++;
  origin.close();
  return outcome;
};

for (const engine of ENGINES.filter(({ name }) => !ENGINE || name === ENGINE)) {
  const test = suite(`core log of an XFS and the live checkpoint, ${engine.name}`);

  test('our own log is taken after a power cut, and one that was mounted elsewhere never is', () => {
    const sum = { ...NOTHING };
    for (let seed = SEED; seed < SEED + HISTORIES; seed++) {
      const outcome = history(engine, seed);
      for (const kind of Object.keys(sum) as (keyof Outcome)[]) sum[kind] += outcome[kind];
    }
    assert.ok(sum.own && sum.elsewhere, JSON.stringify(sum));
    if (process.env.HISTORIES) console.log(`seeds ${SEED} to ${SEED + HISTORIES - 1}: ${JSON.stringify(sum)}`);
  });

  test('a log that an unmount has ended is not taken until the record behind it is on disk', () => {
    const journal = new Journal(SECTORS, randomFrom(1));
    const end = SECTORS + 5000;
    journal.fill(end);
    const origin = new Origin(engine, journal);
    const loads = (): bigint => {
      const next = new Origin(engine, journal, origin.all.file as FileOn);
      const result = next.load();
      next.close();
      return result;
    };
    origin.rest(end);
    assert.is(origin.all.driver.clean(), 0n);
    assert.is(loads(), 0n);
    assert.is(origin.all.driver.look('STAMPS'), errno('ENODATA'));
    assert.is(origin.all.driver.resume(), 0n);
    assert.is(loads(), refusal('FOREIGN'));
    // As where a mount that was read-only becomes writable: it stamps nothing.
    const mounted = new Mounted(journal, end, end, origin.ask);
    mounted.write(16);
    assert.is(loads(), refusal('FOREIGN'));
    mounted.rest();
    assert.is(loads(), 0n);
    origin.close();
  });

  test.run();
}
