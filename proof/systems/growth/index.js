// growth: what has been decided, by schema.
import { merged } from '../merged.js';
import experiments from './experiments.js';
import marketing from './marketing.js';

export default merged([marketing, experiments]);
