// notes: generated rows of every table, for the test that a later migration keeps them; $1 is how many.
export const rows = {
  'notes.notes': `insert into notes.notes (user_id, text) select md5(n::text)::uuid, 'Note ' || n from generate_series(1, $1::int) as n`,
  'notes.suggestions': `insert into notes.suggestions (suggestion) select 'Suggestion ' || n from generate_series(1, $1::int) as n`,
};
