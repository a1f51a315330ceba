// growth: what has been decided, by schema.
import { merged } from '../merged.js';
import marketing from './marketing.js';
import whatsapp from './whatsapp.js';

export default merged([marketing, whatsapp]);
