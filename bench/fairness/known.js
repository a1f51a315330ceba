// The abusive callers that tests know, and what stands for them here: attacks, by their names without how many there are at once; or, in a
// text, why there is none. tests/core/dev/bench.test.js holds this list to the titles of the tests.

const LONG_ANSWERS = 'long answers of one user who hangs up in the middle';
const SLOW_FILTERS = 'slow filters of one user who hangs up at once';
const SHARES = ['slow filters of one user', 'slow filters of one user, past the edge'];
const GZIP = 'gzip that becomes a thousand times as large of one user';
const CHATS = ['chats of one member who hangs up'];

const ADDRESSES = 'Many addresses are not one caller.';
const OUTAGE = 'A service fails, or a part of the system: nobody abuses it.';
const LATER = 'What the edge stores or frees after a hang-up: the caller asks for no more than one whose chat is read.';
const RIGHTS = 'What a caller may see or write, not how much.';

/** @type {Record<string, Record<string, string[] | string>>} by the test's file below tests/, and its title */
export const KNOWN = {
  'assistant/e2e/chat_limits.test.js': {
    'an endless answer is cut, stored as far as a message goes, and counted': [
      'chats of one member whose provider does not end',
    ],
    'a client that reads nothing has gone: the provider is read to its end, and what was said is stored': [
      'chats that one member does not read',
    ],
  },
  'assistant/e2e/hang_up.test.js': {
    "a hang-up (${how}) that shows by ${watch?.[0] ?? 'either'}: the provider is read to its usage": CHATS,
    'a provider that does not come to its end after a hang-up (${how}) is cancelled, and its usage estimated': LATER,
    'a hang-up shows while the provider says nothing': LATER,
    'a client that hangs up before the provider’s head leaves the turn to its end': CHATS,
    'a hang-up of the endpoint in OpenAI’s shape is settled, and stores no message': LATER,
    'a retry after a hang-up gets what is stored, and costs nothing': LATER,
    '50 clients that hang up at once leave no connection and no reservation': CHATS,
    'a client that closes after the last event has not hung up': LATER,
    'a client that has the finish_reason and closes before the usage has come has not hung up': LATER,
  },
  'core/e2e/accounts.test.js': {
    'guessing ends after thirty wrong passwords or codes': ['passwords, guessed'],
  },
  'core/e2e/api_tokens.test.js': {
    'wrong tokens: a mistyped one costs no call, and one address asks about a few unknown ones only': [
      'API tokens that nobody has made, always another',
    ],
    'unknown tokens of many addresses do not fill the places of all others': ADDRESSES,
    'a good token does not count as a wrong one when its client hangs up': 'The token is good: nothing is guessed.',
  },
  'core/e2e/bodies.test.js': {
    'a client that hangs up in the middle of a long answer ends it upstream': [LONG_ANSWERS],
    'small packed bodies that become large ones cannot fill the isolate': [
      'packed leads that become a thousand times as large of one address',
    ],
  },
  'core/e2e/bundle.test.js': {
    'a refused request whose client hangs up in the middle of its body leaves nothing behind': [
      'large bodies of one user who hangs up',
    ],
  },
  'core/e2e/caps.test.js': {
    'an answer is held to its bytes for everybody but servers': ['answers over the limit of one user'],
    'forty embeds beside each other are refused; as many as there may be are served': [
      'twenty embedded relations beside each other of one user',
    ],
  },
  'core/e2e/changes.test.js': {
    'a user and an isolate have so many listeners, and one that hangs up makes room': [
      'listeners of one user who come again and again',
    ],
    'many changes after a cut come in parts, all of them once': [
      'listeners of one user who ask for all that they missed',
    ],
    'a client that does not read what it has missed is given up before all of it is read': [
      'listeners of one user who ask for all that they missed',
    ],
    'a client that does not read holds up nobody, and is given up in time': [
      'one user who listens and reads nothing, and changes many rows',
    ],
  },
  'core/e2e/fair_share.test.js': {
    'one user has at most a share of the connections, for every method; the rest waits and is served': SHARES,
    'whose requests wait for longer than five seconds is answered 429, and nothing was written': [
      'writes of one user that wait for each other',
    ],
    'one anonymous address has at most its share, all addresses together a share of their own': [
      'anonymous reads of one address',
    ],
    'IPv4 addresses that a front writes as IPv6 have a share each': ADDRESSES,
    'a caller who waits for a share keeps nobody else out of the line': SHARES,
    'past the edge the database refuses what is over a share, at once': ['slow filters of one user, past the edge'],
    'what anybody may ask takes from the share of anonymous callers, Meta’s verify token, too': [
      "Meta's verify token, guessed",
    ],
    'service_role and the edge’s own calls have no share': 'Servers are trusted.',
    'a worker with an API token has a share as a user has, also across isolates; a server has none': [
      'tasks claimed in a loop by one worker',
    ],
    'a client that sends and hangs up again and again has no more statements at once, and is served when they have ended':
      [SLOW_FILTERS],
    'a client that has hung up does not make the database refuse the next request': [SLOW_FILTERS],
    'a client that hangs up while it waits leaves the queue': [SLOW_FILTERS],
    'every request role waits a second for a lock at most; anonymous callers have the shortest statements': [
      'writes of one user that wait for each other',
    ],
    'refusals of one address go one after the other, and others are answered between them': [
      'paths that do not exist, of one address',
      'refused posts of one address',
    ],
    'long bodies of one address are worked on one after the other, and others are answered between them': [
      'workflows to validate of one address',
    ],
    'long queries of one user are read one after the other, and others are answered between them': [
      'selects with a cast that is refused behind four hundred columns, of one user',
    ],
    'gzip that becomes a thousand times as large is read in turns, and others are answered meanwhile': [GZIP],
    'the signature of a long webhook is checked in pieces: a request that comes with its last byte is answered before it':
      ['long webhooks with wrong signatures'],
    'long files of storage are passed on in turns: a request of another user is answered between them': [
      'downloads of one user from storage',
      'uploads of one user to storage',
    ],
  },
  'core/e2e/faults.test.js': {
    '2,000 tokens of unknown kids at once: one fetch, all refused, known keys serve on': [
      'tokens of unknown keys, always another',
    ],
    'all of PostgREST’s connections are busy: 503 in bounded time, forged tokens 401 at once': [
      'forged tokens, always another',
    ],
    'the schema cache is loaded again and again: no request fails': OUTAGE,
    'and a second flood is one fetch, too': ['tokens of unknown keys, always another'],
  },
  'core/e2e/keys.test.js': {
    'a client that hangs up while keys are fetched costs the others nothing':
      'Keys are fetched once in minutes, whoever asks.',
  },
  'core/e2e/lines.test.js': {
    'gzip that becomes a thousand times as large does not fill the memory': [GZIP],
    'a body may take longer than the limit of others, and may not pause so long': [
      'halves of lines that one user sends',
    ],
    'when the client hangs up, what was stored stays stored, and the half line is not': [
      'large bodies of one user who hangs up',
    ],
    'one caller has as many bodies at once as connections, and others are not kept out': ['transcripts of one user'],
    'half lines of many callers cannot fill the isolate': ['halves of lines that one user sends'],
  },
  'core/e2e/load.test.js': {
    '10,000 posts at once: what is acknowledged is stored, the rest gets Retry-After': ['leads of many addresses'],
    'bodies that hurt: ${name}': ['deep JSON of one address', 'forms with thousands of fields of one address'],
    'queries that hurt: 4xx': [
      'conditions in each other of one user',
      'filters with a thousand values of one user',
      'embedded relations of one user',
    ],
    'leads whose bodies are huge: 413, however they are sent, at flat memory': ['bodies over the limit of one user'],
    'packed bodies that become a thousand times as large are unpacked up to the limit only': [
      'packed leads that become a thousand times as large of one address',
    ],
    'bodies that come byte by byte take no more memory than others': ['bodies that one user sends byte by byte'],
    'large bodies that do not go on fill a part of the memory only: the rest gets Retry-After': [
      'large bodies of one user that pause',
    ],
    'large bodies of clients that hang up leave their room': ['large bodies of one user who hangs up'],
  },
  'core/e2e/oracles.test.js': {
    'it finds a foreign key by which a parent can be guessed': RIGHTS,
  },
  'core/e2e/pages.test.js': {
    'a client that hangs up while a later page is read keeps its place until the database has answered': [LONG_ANSWERS],
    'a caller may take three answers at once, and others theirs': ['downloads of a transcript of one user'],
    'an answer whose client takes nothing breaks off in time': ['long answers that one user does not read'],
    'long pages of one user are parsed in turns: the page of another user, sent after them, is given before the last of them':
      ['downloads of a transcript of one user'],
  },
  'core/e2e/parity.test.js': {
    'a guess at a count is of everybody’s rows: what is counted is exact': ['HEAD with counts of one user'],
  },
  'core/e2e/replica.test.js': {
    'a slow write counts from its end, also when its client has hung up': 'Which database is read after a write.',
  },
  'core/e2e/services.test.js': {
    'attempts to sign in are held by account and by address, and renewals are not': [
      'passwords, guessed',
      'refresh tokens, guessed',
    ],
    'what a signed-in user guesses counts for that user, whatever account the body names': [
      'codes of a second factor, guessed by one user',
    ],
    'codes that name no account are held together, from all addresses': ['codes that name no account, guessed'],
    'resumable uploads go on through the edge': ['pieces of a resumable upload of one user to storage'],
    'functions get any method, and stream their answers': ['slow functions of one user'],
  },
  'core/e2e/storage.test.js': {
    'who leaves amid uploads in pieces again and again is refused after some': [
      'uploads of one user to storage that break off',
    ],
    'who leaves amid uploads of a declared length again and again is refused after some': [
      'uploads of one user to storage that break off before their declared length',
      'short uploads of one user to storage that break off',
    ],
    'large uploads pass at flat memory': ['uploads of one user to storage'],
    'uploads of one caller that begin together go one after the other, and none is refused': [
      'uploads of unknown length of one user to storage',
    ],
    'uploads that declare no length are streamed, up to the limit': [
      'uploads of unknown length of one user to storage',
    ],
    'an upload that breaks off or is too large is cut off at the service, too': [
      'uploads of one user to storage that break off',
    ],
    'who hangs up amid a download ends it at the service': [
      'downloads from storage of one user who hangs up in the middle',
    ],
  },
  'core/e2e/stream_hooks.test.js': {
    'streams of one user begin in turns, and none is refused': ['chats of one member'],
    'pieces of one user’s streams that come fast are joined, and none is lost': [
      'chats of one member whose provider does not end',
    ],
    'a hang-up (${how}) shows by ${sign}; the service is read on, and its end is stored': CHATS,
    'a hang-up shows while the service sends nothing': LATER,
    'a client that hangs up before the head leaves the work to its end': CHATS,
    'a client that does not read slows the service down, and is given up in time': [
      'chats that one member does not read',
    ],
    '200 clients that hang up leave no connection, no task and little memory': CHATS,
  },
  'core/e2e/streams.test.js': {
    'writes of 900 KB pass through at flat memory, with and without a declared length': [
      'writes of one user that wait for each other',
    ],
    'a body over the limit is 413 and writes nothing, however it is sent': ['bodies over the limit of one user'],
    'bodies of unknown length cannot fill the isolate': ['bodies of unknown length of one user'],
    'clients who do not send their bodies keep nobody else out': ['bodies that one user sends byte by byte'],
    'a client that hangs up while PostgREST works keeps the request upstream until its deadline': [SLOW_FILTERS],
    'a client that hangs up in the middle of an answer ends it': [LONG_ANSWERS],
    'clients that hang up leave nothing in memory': [SLOW_FILTERS],
    'a client that hangs up while the rate limiter or the cache is asked is let go, too':
      'The benchmark has no rate limiter in front, and its cache answers at once.',
  },
  'core/e2e/supabase.test.js': {
    'a page of an origin that is not on the list reads nothing and writes nothing': RIGHTS,
  },
  'core/e2e/websockets.test.js': {
    'who hangs up is gone at the service': ['WebSockets of one address, opened again and again'],
    'many messages keep their order, and a long one passes whole': ['WebSockets of one user'],
    'a page that does not read what it is sent loses its WebSocket, and one that reads gets all': [
      'WebSockets of one address that read nothing',
    ],
  },
  'growth/e2e/events.test.js': {
    'a flood from one address gets Retry-After': ['large batches of events of one address'],
  },
  'growth/e2e/jobs.test.js': {
    'a flood of events of a name each holds nobody up': ['large batches of events of one address'],
  },
  'growth/e2e/leads.test.js': {
    'too many from one address are held off, with any forwarding headers': ['leads of one address'],
    'a body that stalls is given up after ten seconds': ['bodies that one user sends byte by byte'],
  },
  'growth/e2e/optin.test.js': {
    'a link that is forged, of another, old, or of a lead that is gone is one and the same no': RIGHTS,
  },
  'growth/e2e/turnstile.test.js': {
    'while Turnstile is down scripts are refused, and pages are held': [
      'leads of one address while Turnstile is slow and fails',
    ],
  },
};
