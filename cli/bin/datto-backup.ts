import { EINVAL } from '../../host/errors.js';
import { dattoBackup } from '../datto-backup.js';
import { runProcess } from '../terminal/process.js';

runProcess('datto-backup', dattoBackup, EINVAL);
