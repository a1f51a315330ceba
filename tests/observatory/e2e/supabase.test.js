// Every table of observatory through supabase-js (tests/support/supabase_matrix.js).
import { sql } from '../../support/stack.js';
import { supabaseMatrix } from '../../support/supabase_matrix.js';
import { fillFor } from '../support/owned_rows.js';

await supabaseMatrix({
  schema: 'observatory',
  fill: fillFor,
  erase: (owner) => sql('select private.erase_observatory_users(array[$1::uuid])', [owner]),
  unique: ['name', 'root_path', 'path', 'session_id', 'entry_uuid', 'tool_use_id'],
  refusals: [403, 409],
});
