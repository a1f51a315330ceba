// Access tokens of WhatsApp accounts that were never sealed: the caller seals them.
export const sealedRows = {
  'private.whatsapp_access_tokens': {
    parent: 'whatsapp.accounts',
    insert: `with made as (
        insert into whatsapp.accounts (business_account_id, phone_number_id, phone_number, owner_id)
        select (5000000 + n)::text, (6000000 + n)::text, '+49 30 1' || n + 100000, gen_random_uuid() from generate_series(1, $1::int) as n
        returning id
      )
      insert into private.whatsapp_access_tokens (account_id, sealed, key_version) select id, '-', 1 from made returning account_id as id`,
  },
};
