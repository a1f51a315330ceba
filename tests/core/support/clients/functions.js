// What programs do with `supabase.functions`. Each runs in Node and in pages, and gives what it saw.

const good = ({ data, error }) => {
  if (error) throw error;
  return data;
};

/** A function that gives back what it was sent. */
export const echo = async ({ connect, name = 'echo' }) => {
  const { functions } = connect();
  const call = (path, options) => functions.invoke(path, options).then(good);
  const headers = { 'my-custom-header': 'mine', 'X-Mine': 'yours', 'Stripe-Signature': 't=1,v1=00' };
  const body = { text: 'ä 😀', list: [1, null] };
  const posted = await call(name, { body, headers, region: 'eu-west-1' });
  const got = await call(`${name}/deep?x=1`, { method: 'GET' });
  const form = new FormData();
  form.append('field', 'value');
  const sent = await call(name, { body: form });
  return {
    posted: [posted.method, JSON.parse(posted.body), posted.headers['content-type']],
    own: Object.keys(headers).map((key) => posted.headers[key.toLowerCase()]),
    region: [posted.headers['x-region'], posted.url],
    got: [got.method, got.url, got.body],
    form:
      /^multipart\/form-data; boundary=.*$/.test(sent.headers['content-type']) &&
      /name="field"\r\n\r\nvalue\r\n/.test(sent.body),
    headers: posted.headers,
  };
};

/** Each kind of answer and of error. */
export const answers = async ({ connect, control }) => {
  const { functions } = connect();
  const { data: text, response } = await functions.invoke('text', { body: 'something' });
  const blob = good(await functions.invoke('bytes', { body: new Blob([new Uint8Array([3, 0, 255])]) }));
  const stream = good(await functions.invoke('events'))
    .body.pipeThrough(new TextDecoderStream())
    .getReader();
  const events = [(await stream.read()).value];
  await control('release');
  events.push((await stream.read()).value);
  const failed = async (name) => {
    const { error } = await functions.invoke(name);
    return [error.name, error.context.status, await error.context.text()];
  };
  return {
    text,
    own: response.headers.get('x-mine'),
    blob: [blob.type, ...new Uint8Array(await blob.arrayBuffer())],
    events,
    fails: await failed('fails'),
    breaks: await failed('breaks'),
    relay: await failed('relay'),
    none: await failed('none'),
  };
};
