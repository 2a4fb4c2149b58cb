import { EINVAL } from '../../host/errors.js';
import { dattoReceive } from '../datto-receive.js';
import { runProcess } from '../terminal/process.js';

runProcess('datto-receive', dattoReceive, EINVAL);
