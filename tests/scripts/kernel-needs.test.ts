import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { whyUnsupported } from '../../scripts/kernel-needs.mjs';

const config = (...names: string[]): string =>
  `# Automatically generated file\n${names.map((name) => `CONFIG_${name}=y\n`).join('')}`;
const symbols = (name: string): string =>
  `0x00000000\tsubmit_bio\tvmlinux\tEXPORT_SYMBOL\t\n0x0\t${name}\tvmlinux\t\t\n`;
const WRITES = symbols('submit_bio_noacct');

test('a kernel that redirects calls by registers or by arguments is supported', () => {
  for (const way of ['DYNAMIC_FTRACE_WITH_REGS', 'DYNAMIC_FTRACE_WITH_ARGS']) {
    assert.is(whyUnsupported(config('64BIT', 'FUNCTION_TRACER', way), WRITES), undefined);
    assert.is(whyUnsupported(config('64BIT', 'FUNCTION_TRACER', way), undefined), undefined, 'not built as a whole');
  }
});

test('a kernel without the function tracer is refused by the name of the option', () => {
  assert.match(whyUnsupported(config('64BIT'), WRITES)!, /no function tracer.*\(CONFIG_FUNCTION_TRACER is not set\)$/);
});

test('so is one whose function tracer only watches', () => {
  assert.match(
    whyUnsupported(config('64BIT', 'FUNCTION_TRACER', 'DYNAMIC_FTRACE'), WRITES)!,
    /cannot redirect calls.*CONFIG_DYNAMIC_FTRACE_WITH_ARGS or CONFIG_DYNAMIC_FTRACE_WITH_REGS is not set/,
  );
});

test('so is one of 32 bits', () => {
  assert.match(whyUnsupported(config('FUNCTION_TRACER'), WRITES)!, /CONFIG_64BIT is not set/);
});

test('Linux 4.18, where writes come by elsewhere, is refused', () => {
  const old = config('64BIT', 'FUNCTION_TRACER', 'DYNAMIC_FTRACE_WITH_REGS');
  for (const name of ['generic_make_request', 'submit_bio_noacct_nocheck'])
    assert.match(whyUnsupported(old, symbols(name))!, /no submit_bio_noacct\(\).*Linux 5\.9/);
});

test.run();
