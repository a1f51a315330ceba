// Every table and view of flashfusion through supabase-js (tests/support/supabase_matrix.js).
import { randomUUID } from 'node:crypto';
import { sql } from '../../support/stack.js';
import { supabaseMatrix } from '../../support/supabase_matrix.js';
import { fillFor, ownedTables } from '../support/owned_rows.js';

await supabaseMatrix({
  schema: 'flashfusion',
  hasPublic: true,
  fill: async (query, owner) => {
    await fillFor(query, await ownedTables(query), owner, `${randomUUID()}@example.org`);
    await query('update flashfusion.users set is_active = true where id = $1', [owner]);
    await query('update flashfusion.projects set is_public = true where user_id = $1', [owner]);
  },
  erase: async (owner) => {
    await sql('select private.erase_flashfusion_users(array[$1::uuid])', [owner]);
    await sql('delete from flashfusion.billing where user_id = $1', [owner]);
  },
});
