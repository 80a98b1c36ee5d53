import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TvmError } from '@tvm/api/errors.ts';
import { type OciReference, parseReference } from '../reference.ts';
import { authFileText, credentialsFor } from './credentials.ts';

const file = (auths: object, more = {}) => JSON.stringify({ auths, ...more });
const login = (username: string) => ({ username, password: 'p' });

function namesFor(image: string, ...texts: string[]): string[] {
  return credentialsFor(parseReference(image) as OciReference, texts).map(({ username }) => username);
}

it('takes what covers the registry and the path, the most specific first, file by file', () => {
  const text = file({
    'ghcr.io': login('all'),
    'ghcr.io/owner': login('owner'),
    'https://ghcr.io/v2/': login('api'),
    'ghcr.io/own': login('half a name'),
    'quay.io': login('elsewhere'),
  });
  assert.deepEqual(namesFor('ghcr.io/owner/name:1', text), ['api', 'owner', 'all']);
  assert.deepEqual(namesFor('ghcr.io/else', text, file({ 'ghcr.io': login('second') })), ['api', 'all', 'second']);
  assert.deepEqual(namesFor('ghcr.io.evil.com/owner', text), []);
  assert.deepEqual(namesFor('localhost:5000/x', file({ 'localhost:5000': login('a'), localhost: login('b') })), ['a']);
});

it('knows the names of Docker Hub, and stars within a name', () => {
  const rows = ['https://index.docker.io/v1/', 'docker.io', 'registry-1.docker.io', 'docker.io/library'];
  for (const key of rows) assert.deepEqual(namesFor('ubuntu', file({ [key]: login('hub') })), ['hub'], key);
  const star = file({ '*.example.com': login('star') });
  assert.deepEqual(namesFor('a.example.com/x', star), ['star']);
  assert.deepEqual([...namesFor('a.b.example.com/x', star), ...namesFor('example.com/x', star)], []);
});

it('reads auth as docker writes it', () => {
  const auth = Buffer.from('ann:a:b\0\0').toString('base64');
  const [credential] = credentialsFor(parseReference('r.io/x') as OciReference, [
    file({ 'r.io': { auth, identitytoken: 't' } }),
  ]);
  assert.deepEqual(credential, { username: 'ann', password: 'a:b', identityToken: 't' });
});

it('hands on one registry and no program that a file names', () => {
  const text = file({ 'r.io': login('a') }, { credHelpers: { 'r.io': 'evil' }, credsStore: 'evil' });
  const [credential] = credentialsFor(parseReference('r.io/x') as OciReference, [text]);
  assert.ok(credential);
  const expected = { auths: { 'r.io': { auth: Buffer.from('a:p').toString('base64') } } };
  assert.deepEqual(JSON.parse(authFileText('r.io', credential)), expected);
});

it('refuses what it cannot read, without quoting it', () => {
  const bad = [
    'hunter2',
    '"hunter2"',
    '{"hunter2":1}',
    '{"auths":"hunter2"}',
    file({ 'r.io': { auth: 'aHVudGVyMg==' } }),
  ];
  for (const text of [...bad, ' '.repeat(1 << 21)]) {
    assert.throws(
      () => credentialsFor(parseReference('r.io/x') as OciReference, [text]),
      (error: TvmError) => error.code === 'invalid_argument' && !/hunter/.test(`${error.message}${error.cause}`),
    );
  }
});
