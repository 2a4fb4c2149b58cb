import { EINVAL } from '../../host/errors.js';
import { dattoVerify } from '../datto-verify.js';
import { runProcess } from '../terminal/process.js';

runProcess('datto-verify', dattoVerify, EINVAL);
