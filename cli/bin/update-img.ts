import { EINVAL } from '../../host/errors.js';
import { runProcess } from '../terminal/process.js';
import { updateImg } from '../update-img.js';

runProcess('update-img', updateImg, EINVAL);
