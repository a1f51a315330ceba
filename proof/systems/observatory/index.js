// observatory: what has been decided, by part.
import { merged } from '../merged.js';
import counting from './counting.js';
import ingest from './ingest.js';
import live from './live.js';
import people from './people.js';
import search from './search.js';

export default merged([ingest, counting, search, live, people]);
