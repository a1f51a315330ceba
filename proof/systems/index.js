// What has been decided, by system. A relation, column, function or route that is nowhere here is a blank, and fails.
import clixen from './clixen.js';
import edge from './edge.js';
import growth from './growth/index.js';

export const SYSTEMS = { edge, growth, clixen };
