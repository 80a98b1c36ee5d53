import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Client } from '@modelcontextprotocol/client';
import fc from 'fast-check';
import { startEndpoint } from '../../../../testing/mcp-endpoint.ts';
import { cutAtEnd, textOf } from '../../file-content.ts';

// biome-ignore lint/suspicious/noExplicitAny: results of many shapes, looked into by the tests alone.
type Loose = any;

async function call(client: Client, name: string, args: Record<string, unknown>) {
  const { structuredContent, content, isError } = await client.callTool({ name, arguments: args });
  return { out: structuredContent as Loose, content: content as Loose[], isError: isError ?? false };
}

test('tools of files', { timeout: 30_000 }, async (t) => {
  await using endpoint = await startEndpoint();
  const client = await endpoint.connect('modern');
  const { root } = endpoint.local;

  await t.test('written, read in parts, edited, moved, deleted', async () => {
    await call(client, 'write_file', { path: '/project/a/notes.txt', content: 'one two two\n', mode: '0600' });
    const part = await call(client, 'read_file', { path: '/project/a/notes.txt', limit: 4 });
    assert.equal(part.out.content, 'one ');
    assert.equal(part.out.next_offset, 4);
    const rest = await call(client, 'read_file', { path: '/project/a/notes.txt', offset: 4 });
    assert.equal(rest.out.content, 'two two\n');
    assert.equal(rest.out.next_offset, undefined);

    const twice = await call(client, 'edit_file', {
      path: '/project/a/notes.txt',
      edits: [
        { old_text: 'one', new_text: 'zero' },
        { old_text: 'two', new_text: 'three' },
      ],
    });
    assert.equal(twice.isError, true);
    assert.match(twice.content[0].text, /edit 2: old_text is 2 times/);
    const edits = [{ old_text: 'two', new_text: 'x', replace_all: true }];
    assert.equal((await call(client, 'edit_file', { path: '/project/a/notes.txt', edits })).out.replacements, 2);

    await call(client, 'move_file', { from: '/project/a/notes.txt', to: '/project/b.txt' });
    const moved = await call(client, 'stat_file', { path: '/project/b.txt' });
    assert.deepEqual([moved.out.mode, moved.out.size, moved.out.type], ['0600', 8, 'file']);
    await call(client, 'delete_file', { path: '/project/a', recursive: true });
    const gone = await call(client, 'stat_file', { path: '/project/a' });
    assert.equal(gone.isError, true);
  });

  await t.test('bytes as base64, pictures as pictures', async () => {
    const bytes = Buffer.from([0, 255, 1]);
    await call(client, 'write_file', { path: '/project/x.bin', content: bytes.toString('base64'), encoding: 'base64' });
    const read = await call(client, 'read_file', { path: '/project/x.bin' });
    assert.deepEqual([read.out.encoding, read.out.content], ['base64', bytes.toString('base64')]);
    await call(client, 'move_file', { from: '/project/x.bin', to: '/project/x.png' });
    const picture = await call(client, 'read_file', { path: '/project/x.png' });
    assert.deepEqual(picture.content, [{ type: 'image', data: bytes.toString('base64'), mimeType: 'image/png' }]);
    const bad = await call(client, 'write_file', { path: '/project/y', content: '!!', encoding: 'base64' });
    assert.equal(bad.isError, true);
  });

  await t.test('a directory in pages, and a search in it', async () => {
    mkdirSync(join(root, 'project/many'));
    for (let at = 10; at < 35; at += 1)
      writeFileSync(join(root, 'project/many', `f${at}.txt`), `line ${at}\nneedle ${at}\n`);
    const first = await call(client, 'list_directory', { path: '/project/many', limit: 20 });
    assert.equal(first.out.entries.length, 20);
    const second = await call(client, 'list_directory', {
      path: '/project/many',
      limit: 20,
      cursor: first.out.next_cursor,
    });
    assert.deepEqual(second.out.entries.map(({ path }: Loose) => path).slice(-1), ['/project/many/f34.txt']);
    assert.equal(second.out.next_cursor, undefined);

    const found = await call(client, 'search_files', { path: '/project/many', content: 'need(le) 1[0-2]' });
    assert.deepEqual(
      found.out.matches.map(({ line, text }: Loose) => [line, text]).sort(),
      ['10', '11', '12'].map((at) => [2, `needle ${at}`]),
    );
    const named = await call(client, 'search_files', { path: '/project/many', name: 'f1*.txt', max_results: 3 });
    assert.deepEqual([named.out.matches.length, named.out.truncated], [3, true]);
    const injected = await call(client, 'search_files', { path: '/project/many', content: '--help' });
    assert.deepEqual(injected.out.matches, []);
    assert.equal((await call(client, 'search_files', { path: '/project/many', content: '(' })).isError, true);
  });

  await t.test('a cursor that was made up, and paths that are none', async () => {
    await assert.rejects(call(client, 'list_directory', { path: '/project/many', cursor: 'made-up' }), /cursor/);
    assert.equal((await call(client, 'read_file', { path: 'relative' })).isError, true);
    assert.equal((await call(client, 'read_file', { path: '/nul\0' })).isError, true);
  });
});

test('text is cut between characters, wherever it is cut', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.nat(), (given, at) => {
      const bytes = Buffer.from(given.replaceAll('\0', ''));
      const end = at % (bytes.length + 1);
      const part = bytes.subarray(0, end);
      const kept = end - cutAtEnd(part);
      assert.equal((textOf(part) ?? '') + (textOf(bytes.subarray(kept)) ?? ''), bytes.toString());
    }),
  );
});
