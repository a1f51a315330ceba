// Code as a user of supabase-js writes it, against database.types.ts: compiled by tests/core/dev/types.test.js and never run.
import { createClient } from '@supabase/supabase-js';
import type { Database, Tables, TablesInsert, TablesUpdate } from '../../../database.types';

const client = createClient<Database, 'clixen'>('http://127.0.0.1:8787', 'rgpub_key', { db: { schema: 'clixen' } });

export const read = async (): Promise<Tables<{ schema: 'clixen' }, 'projects'>[]> => {
  const { data, error } = await client.from('projects').select('*').eq('color', '#ffffff').order('name');
  if (error) throw error;
  return data;
};

export const write = async (): Promise<string> => {
  const project: TablesInsert<{ schema: 'clixen' }, 'projects'> = { name: 'typed' };
  const change: TablesUpdate<{ schema: 'clixen' }, 'projects'> = { description: null };
  const { data } = await client.from('projects').insert(project).select('id, name').single().throwOnError();
  await client.from('projects').update(change).eq('id', data.id);
  return data.name;
};

export const call = async (): Promise<string> => {
  const { data } = await client.rpc('create_user_profile').throwOnError();
  return data.tier;
};

export const unit = async (): Promise<'user_id' | 'session_id'> => {
  const { data } = await client.schema('experiments').from('experiments').select('unit').limit(1).single().throwOnError();
  return data.unit;
};

// @ts-expect-error there is no such column
client.from('projects').select('*').eq('colour', '#ffffff');
// @ts-expect-error there is no such table
client.from('nothing').select('*');
// @ts-expect-error a name is a text
client.from('projects').insert({ name: 1 });
// @ts-expect-error there is no such unit
client.schema('experiments').from('experiments').update({ unit: 'device' });
