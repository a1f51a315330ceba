// The Worker as the runtime sees it: one plain handler. The entry that worker-build generates makes an object of a class and
// three proxies for every request, a tenth of what a request costs; a trap needs none of that, for the bundle starts itself
// anew at the next call (tests/core/e2e/bundle.test.js).
import Generated from './index.js';

const { fetch, scheduled } = Generated.prototype;

export default {
  fetch: (request, env, ctx) => fetch.call({ env, ctx }, request),
  scheduled: (controller, env, ctx) => scheduled.call({ env, ctx }, controller),
};
