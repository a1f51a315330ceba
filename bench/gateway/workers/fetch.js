// The least that a Worker in front of PostgREST can do: another address, and nothing looked at.
const PREFIX = '/rest/v1';

export default {
  fetch({ url, method, headers, body }, env) {
    const { pathname, search } = new URL(url);
    return fetch(env.POSTGREST_URL + pathname.slice(PREFIX.length) + search, { method, headers, body });
  },
};
