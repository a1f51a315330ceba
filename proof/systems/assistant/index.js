// assistant: what has been decided, by part.
import { merged } from '../merged.js';
import chat from './chat.js';
import people from './people.js';
import talk from './talk.js';
import usage from './usage.js';

export default merged([people, talk, chat, usage]);
