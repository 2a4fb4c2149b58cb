// What the module needs of the kernel that it is built for. kmod-stub/Kbuild checks the same, for a plain make.

/** Options of which one at least must be set, and the reason. */
const OPTIONS = [
  [['CONFIG_64BIT'], 'has 32 bits, and the module runs on 64-bit kernels only'],
  [['CONFIG_FUNCTION_TRACER'], 'has no function tracer, by which the module sees writes'],
  [
    ['CONFIG_DYNAMIC_FTRACE_WITH_ARGS', 'CONFIG_DYNAMIC_FTRACE_WITH_REGS'],
    'has a function tracer that cannot redirect calls, which is how the module holds writes',
  ],
];

/** The function that writes come by, and what a kernel without it lacks. */
const FUNCTION = 'submit_bio_noacct';
const NO_FUNCTION = `has no ${FUNCTION}(), where the module sees writes: Linux 5.9 is the first that has it`;

/**
 * Returns why the module cannot run on a kernel, as the rest of a sentence that begins with the kernel's name; undefined if it can.
 *
 * @param config text of include/config/auto.conf; undefined if there is none
 * @param symbols text of Module.symvers; undefined if there is none
 */
export function whyUnsupported(config, symbols) {
  if (config !== undefined) {
    const lines = new Set(config.split('\n'));
    const missing = OPTIONS.find(([names]) => !names.some((name) => lines.has(`${name}=y`)));
    if (missing) return `${missing[1]} (${missing[0].join(' or ')} is not set)`;
  }
  if (symbols !== undefined && !symbols.includes(`\t${FUNCTION}\t`)) return NO_FUNCTION;
  return undefined;
}
