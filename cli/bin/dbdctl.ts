import { dbdctl, FAILURE } from '../dbdctl.js';
import { runProcess } from '../terminal/process.js';

runProcess('dbdctl', dbdctl, FAILURE, FAILURE);
