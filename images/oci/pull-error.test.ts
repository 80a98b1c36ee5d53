import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pullError } from './pull-error.ts';

const fatal = (message: string) => `time="2026-11-25T07:46:53Z" level=fatal msg=${JSON.stringify(message)}\n`;
const parsing = 'Error parsing image name "docker://r.io/x:1": ';

it('keeps the words of the registry and finds their code', () => {
  const rows: [string, string, string][] = [
    [
      fatal(`${parsing}reading manifest 1 in r.io/x: manifest unknown`),
      'not_found',
      'reading manifest 1 in r.io/x: manifest unknown',
    ],
    [
      fatal(`${parsing}requested access to the resource is denied`),
      'permission_denied',
      'requested access to the resource is denied',
    ],
    [
      fatal(`${parsing}unauthorized: authentication required`),
      'permission_denied',
      'unauthorized: authentication required',
    ],
    [
      fatal('toomanyrequests: You have reached your pull rate limit'),
      'resource_exhausted',
      'toomanyrequests: You have reached your pull rate limit',
    ],
    [
      fatal('Digest did not match, expected sha256:a, got sha256:b'),
      'data_loss',
      'Digest did not match, expected sha256:a, got sha256:b',
    ],
    [
      fatal(`${parsing}Get "https://r.io/v2/": connection refused`),
      'unavailable',
      'Get "https://r.io/v2/": connection refused',
    ],
    [
      fatal('reading manifest denied in r.io/denied: manifest unknown'),
      'not_found',
      'reading manifest denied in r.io/denied: manifest unknown',
    ],
    [`level=warning msg="x"\n${fatal('last')}`, 'unavailable', 'last'],
    ['plain words', 'unavailable', 'plain words'],
    ['', 'unavailable', 'the registry gave no reason'],
  ];
  for (const [stderr, code, words] of rows) {
    const error = pullError('r.io/x:1', stderr);
    assert.equal(error.code, code, stderr);
    assert.equal(error.message, `pulling r.io/x:1 failed: ${words}`);
    assert.equal(error.reason, 'ImagePullFailed');
  }
});
