// The Worker's entry: plain handlers. The entry that worker-build generates creates an object and three proxies for every request,
// which is a tenth of a request's cost. They restart the module after a trap; this bundle restarts itself at the next call without
// them (tests/core/e2e/bundle.test.js).
import Generated from './index.js';

const { fetch, scheduled } = Generated.prototype;

export default {
  fetch: (request, env, ctx) => fetch.call({ env, ctx }, request),
  scheduled: (controller, env, ctx) => scheduled.call({ env, ctx }, controller),
};
