-- Sample projects of two users. Local databases only; loading them twice changes nothing.
insert into clixen.projects (user_id, name, description, color)
values
  ('00000000-0000-4000-8000-000000000001', 'Shop automations', 'Orders, invoices and returns.', '#0ea5e9'),
  ('00000000-0000-4000-8000-000000000001', 'Newsletter', null, '#22c55e'),
  ('00000000-0000-4000-8000-000000000002', 'Support', 'Tickets from e-mail and chat.', '#f97316')
on conflict (user_id, lower(name)) do nothing;
