// Code as a user of openapi-fetch writes it, against edge.types.ts: compiled by tests/core/dev/types.test.js and never run.
import createClient from 'openapi-fetch';
import type { paths } from '../../../edge.types';

const edge = createClient<paths>({ baseUrl: 'http://127.0.0.1:8787' });

export const makeToken = async (): Promise<string> => {
  const { data, error } = await edge.POST('/v1/tokens', { body: { name: 'typed', access: 'read' } });
  if (error) throw new Error(`${error.code}: ${error.hint ?? ''}`);
  return data.token;
};

export const wrong = async () => {
  // @ts-expect-error: there is no such access
  await edge.POST('/v1/tokens', { body: { name: 'typed', access: 'own' } });
  // @ts-expect-error: the path has an id
  await edge.DELETE('/v1/tokens/{id}', {});
  // @ts-expect-error: there is no such path
  await edge.GET('/v1/nothing');
};
