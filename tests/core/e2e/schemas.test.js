// The examples of the core's own test system get answers that fit their schemas.
import { after, test } from 'node:test';
import { moreSystems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, stack } from '../../support/stack.js';

after(close);

for (const manifest of moreSystems())
  test(`${manifest.name}: each example gets an answer that fits its schema`, () =>
    sendExamples(manifest, ask, {
      'POST /v1/entries/lines': () => ({ token: stack.service_key }),
    }));
