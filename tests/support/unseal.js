// Opens what the edge has sealed, and seals, as the holder of the key would; docs/architecture.md has the format.
import { webcrypto } from 'node:crypto';

const bytes = (text) => Buffer.from(text, 'base64url');

const decrypt = async (key, nonce, context, data) => {
  const imported = await webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['decrypt']);
  const parameters = { name: 'AES-GCM', iv: bytes(nonce), additionalData: Buffer.from(context) };
  return Buffer.from(await webcrypto.subtle.decrypt(parameters, imported, bytes(data)));
};

/**
 * The secret; throws where it is sealed for another place or under another key.
 * @param {string} kek `KEK_<version>`
 * @param {{sealed: string, version: number, column: string, row: string, owner: string}} place
 */
export const unseal = async (kek, { sealed, version, column, row, owner }) => {
  const [format, keyNonce, wrapped, nonce, data] = sealed.split('.');
  const context = [format, column, row, owner].join('\0');
  const key = await decrypt(bytes(kek), keyNonce, `${context}\0KEK_${version}`, wrapped);
  return (await decrypt(key, nonce, context, data)).toString();
};

const encrypt = async (key, context, data) => {
  const nonce = webcrypto.getRandomValues(Buffer.alloc(12));
  const imported = await webcrypto.subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt']);
  const parameters = { name: 'AES-GCM', iv: nonce, additionalData: Buffer.from(context) };
  const found = Buffer.from(await webcrypto.subtle.encrypt(parameters, imported, data));
  return [nonce, found].map((part) => part.toString('base64url')).join('.');
};

/** A text as the edge seals it for a place: the same as for unseal, without `sealed`. */
export const seal = async (kek, text, { version, column, row, owner }) => {
  const context = ['v1', column, row, owner].join('\0');
  const key = webcrypto.getRandomValues(Buffer.alloc(32));
  const wrapped = await encrypt(bytes(kek), `${context}\0KEK_${version}`, key);
  return ['v1', wrapped, await encrypt(key, context, Buffer.from(text))].join('.');
};
