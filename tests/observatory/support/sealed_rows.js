// Heads of the audit chains are one chain, into which a test can put no rows of its own and take them out again.
export const sealedRows = {
  'private.audit_seals': {
    none: 'e2e/audit.test.js has seals of real heads',
    forget: 'delete from private.audit_seals where key_version > 1',
  },
};
