// flashfusion: what has been decided, by part.
import { merged } from '../merged.js';
import keys from './keys.js';
import money from './money.js';
import queue from './queue.js';

export default merged([keys, queue, money]);
