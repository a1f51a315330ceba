// Listens to changes of a table, in a browser or in Node 20: no library. EventSource cannot send the token.

/**
 * Calls `onEvent` with each event, such as {event: 'insert', table, key, at}, until `signal` aborts. It connects again by itself where the
 * stream was cut; `ready` says that nothing is missed from then on: read the rows then.
 * @param {{url: string, token: () => string | Promise<string>, table: string, onEvent: (event: object) => void, signal: AbortSignal}} options
 */
export async function listen({ url, token, table, onEvent, signal }) {
  let id;
  while (!signal.aborted) {
    try {
      const headers = { authorization: `Bearer ${await token()}`, ...(id && { 'last-event-id': id }) };
      const response = await fetch(`${url}/v1/changes?table=${encodeURIComponent(table)}`, { headers, signal });
      // 410: the changes after this id have been deleted. 400: the edge's key has changed, so it cannot read the id. Listen without it; at
      // the next `ready` read the rows anew.
      if (response.status === 410 || (response.status === 400 && id)) id = undefined;
      else if (!response.ok && response.status < 500 && response.status !== 429) throw await response.json();
      let text = '';
      const reader = response.ok && response.body.pipeThrough(new TextDecoderStream()).getReader();
      while (reader) {
        const { value, done } = await reader.read();
        if (done) break;
        const blocks = (text + value).split('\n\n');
        text = blocks.pop();
        for (const block of blocks) {
          const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/)));
          id = fields.id ?? id;
          if (fields.data) onEvent({ event: fields.event, ...JSON.parse(fields.data) });
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error.code) throw error;
    }
    await new Promise((again) => setTimeout(again, 1000));
  }
}
