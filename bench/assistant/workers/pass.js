// The least that a Worker in front of a provider can do: another address and a key. It knows no users, counts nothing and stores nothing.
export default {
  fetch({ method, body }, env) {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${env.PROVIDER_KEY}` };
    return fetch(`${env.PROVIDER_URL}/chat/completions`, { method, headers, body });
  },
};
