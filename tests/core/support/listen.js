// A listener to changes of rows as a client sees it: the events of the stream, one after the other.
import { stack } from '../../support/stack.js';

const fieldsOf = (block) => {
  const fields = { comments: 0 };
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    if (at === 0) fields.comments++;
    else if (at > 0) fields[line.slice(0, at)] = line.slice(at + 1).trimStart();
  }
  return { ...fields, ...(fields.data && { data: JSON.parse(fields.data) }) };
};

/**
 * Opens a stream. `next(ms)` waits for the next event, at most so long, and gives null if none comes; `ended` is a promise of its end;
 * `id` is the last id that came.
 */
export const listen = async ({
  token,
  table = 'sample.projects',
  since,
  lastId,
  base = stack.edge_url,
  headers = {},
}) => {
  const controller = new AbortController();
  const query = new URLSearchParams({ table, ...(since && { since }) });
  const response = await fetch(`${base}/v1/changes?${query}`, {
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(lastId && { 'last-event-id': lastId }),
      ...headers,
    },
    signal: controller.signal,
  });
  const stream = { response, status: response.status, events: [], comments: 0, id: undefined };
  if (response.status !== 200) {
    stream.text = await response.text();
    stream.body = JSON.parse(stream.text);
    return stream;
  }
  let wake = () => {};
  stream.ended = (async () => {
    let text = '';
    try {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        const blocks = text.split('\n\n');
        text = blocks.pop();
        for (const block of blocks) {
          const fields = fieldsOf(block);
          stream.id = fields.id ?? stream.id;
          stream.comments += fields.comments;
          if (fields.data) stream.events.push({ event: fields.event, ...fields.data });
        }
        wake();
      }
    } catch (error) {
      if (error.name !== 'AbortError') throw error;
    }
    stream.over = true;
    wake();
  })();
  stream.next = async (ms = 5000) => {
    const until = Date.now() + ms;
    while (stream.events.length === 0 && !stream.over && Date.now() < until)
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, until - Date.now());
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    return stream.events.shift() ?? null;
  };
  stream.close = () => controller.abort();
  return stream;
};
