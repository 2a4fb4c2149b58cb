import { dattoInspect, FAILED, USAGE } from '../datto-inspect.js';
import { runPrinter } from '../terminal/process.js';

runPrinter('datto-inspect', dattoInspect, USAGE, FAILED);
