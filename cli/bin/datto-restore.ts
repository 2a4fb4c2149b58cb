import { EINVAL } from '../../host/errors.js';
import { dattoRestore } from '../datto-restore.js';
import { runProcess } from '../terminal/process.js';

runProcess('datto-restore', dattoRestore, EINVAL);
