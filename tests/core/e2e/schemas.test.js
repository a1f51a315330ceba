// The examples of the core's own test system get answers that fit their schemas.
import { after, test } from 'node:test';
import { moreSystems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, stack, userToken } from '../../support/stack.js';
import { makeToken } from '../support/api_tokens.js';

after(close);

for (const manifest of moreSystems())
  test(`${manifest.name}: each example gets an answer that fits its schema`, () =>
    sendExamples(manifest, ask, {
      'POST /v1/entries/lines': () => ({ token: stack.service_key }),
      'GET /v1/samples/count': async () => ({ token: await userToken() }),
      'POST /v1/samples/add': async () => ({ token: await userToken() }),
      'POST /v1/opened': async () => {
        const scope = { endpoints: ['POST /v1/opened'], access: 'write' };
        return { token: (await makeToken(stack.service_key, scope)).token };
      },
      'POST /v1/worker': () => ({ token: stack.service_key }),
      'POST /v1/spend': () => ({ token: stack.service_key }),
    }));
