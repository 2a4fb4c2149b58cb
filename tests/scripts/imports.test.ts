import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { wrongImports } from '../../scripts/imports.js';

const FLOORS = ['a', 'a/upper', 'a/index.ts', 'b'];
const wrong = (files: Record<string, string>): string[] => wrongImports(new Map(Object.entries(files)), FLOORS);
const GOOD = {
  'a/ground.ts': "import { x } from 'elsewhere';",
  'a/upper/one.ts': "import {\n  g,\n} from '../ground.js';\nimport type { t } from './two.js';",
  'a/upper/two.ts': 'export const two = 2;',
  'a/index.ts': "export { one } from './upper/one.js';",
  'b/tool.ts': "const index = await import('../a/index.js');",
  'tests/any.ts': "import { tool } from '../b/tool.js';",
};

test('imports of what stands below are as they should be', () => assert.equal(wrong(GOOD), []));

test('an import of what stands above is named', () => {
  const line = (path: string, name: string): string => `${path} imports ${name}, which stands above it`;
  const upward = { ...GOOD, 'a/more.ts': "import { two } from './upper/two.js';" };
  assert.equal(wrong(upward), [line('a/more.ts', 'a/upper/two.ts')]);
  const face = { ...GOOD, 'a/upper/more.ts': "export * from '../index.js';" };
  assert.equal(wrong(face), [line('a/upper/more.ts', 'a/index.ts')]);
  const outside = { ...GOOD, 'b/more.ts': "import { any } from '../tests/any.js';" };
  assert.equal(wrong(outside), [line('b/more.ts', 'tests/any.ts')]);
});

test('a circle is named, also one of types and one outside of all floors', () => {
  const circle = { ...GOOD, 'a/upper/two.ts': "import type { one } from './one.js';" };
  assert.equal(wrong(circle), ['a circle of imports: a/upper/one.ts -> a/upper/two.ts -> a/upper/one.ts']);
  const outside = { ...GOOD, 'tests/x.ts': "import './y.js';", 'tests/y.ts': "import './x.js';" };
  assert.equal(wrong(outside), ['a circle of imports: tests/x.ts -> tests/y.ts -> tests/x.ts']);
});

test.run();
