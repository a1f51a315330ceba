// The Worker's entry: plain handlers. A class would be created for every request. The module starts afresh after a trap
// (tests/core/e2e/bundle.test.js). It reads the systems' manifests, systems.js, at its first request.
import { fetch, scheduled } from './index.js';

export default {
  fetch: (request, env, ctx) => fetch(request, env, ctx),
  scheduled: (controller, env, ctx) => scheduled(controller, env, ctx),
};
