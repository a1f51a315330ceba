// Accounts as clients see them: the answer of Supabase Auth for a user.

const time = (value) => value?.toISOString();

const identity = (user) => ({
  identity_id: user.id,
  id: user.id,
  user_id: user.id,
  identity_data: {
    email: user.email,
    email_verified: user.email_confirmed_at !== null,
    phone_verified: false,
    sub: user.id,
  },
  provider: 'email',
  last_sign_in_at: time(user.last_sign_in_at),
  created_at: time(user.created_at),
  updated_at: time(user.updated_at),
  email: user.email,
});

/** A row of auth.users for its owner: neither password nor code is in it. */
export const userOf = (row) => ({
  id: row.id,
  aud: row.aud,
  role: row.role,
  email: row.email,
  email_confirmed_at: time(row.email_confirmed_at),
  phone: '',
  confirmed_at: time(row.email_confirmed_at),
  recovery_sent_at: time(row.recovery_sent_at),
  new_email: row.email_change ?? undefined,
  email_change_sent_at: time(row.email_change_sent_at),
  last_sign_in_at: time(row.last_sign_in_at),
  app_metadata: row.raw_app_meta_data,
  user_metadata: row.raw_user_meta_data,
  identities: [identity(row)],
  created_at: time(row.created_at),
  updated_at: time(row.updated_at),
  is_anonymous: row.is_anonymous,
});

export const isBanned = ({ banned_until, deleted_at }) => deleted_at !== null || banned_until > new Date();
