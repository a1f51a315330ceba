// The examples of the core's own test system get answers that fit their schemas.
import { after, test } from 'node:test';
import { moreSystems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close } from '../../support/stack.js';

after(close);

for (const manifest of moreSystems())
  test(`${manifest.name}: each example gets an answer that fits its schema`, () => sendExamples(manifest, ask));
