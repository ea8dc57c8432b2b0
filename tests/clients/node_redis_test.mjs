// node-redis, unmodified, against the gateway, in both versions of the
// protocol: node node_redis_test.mjs PORT
import assert from 'node:assert/strict';
import { createClient, RESP_TYPES } from 'redis';

const port = Number(process.argv[2]);

async function converse(RESP) {
  const client = createClient({ url: `redis://127.0.0.1:${port}/1`, name: 'tester', RESP });
  client.on('error', (error) => { throw error; });
  await client.connect();

  assert.equal(await client.ping(), 'PONG');
  assert.equal(await client.clientGetName(), 'tester');
  assert.equal(await client.set('k', 'v'), 'OK');
  assert.equal(await client.get('k'), 'v');
  assert.equal(await client.get('nothing'), null);
  assert.equal(await client.set('k', 'w', { condition: 'NX' }), null);
  const began = performance.now();
  assert.equal(await client.set('k', 'w', { GET: true, EX: 100 }), 'v');
  const left = await client.ttl('k');
  assert.ok(left <= 100 && left >= 99.5 - (performance.now() - began) / 1000, `${left} s of 100`);
  assert.equal(await client.persist('k'), 1);
  assert.equal(await client.expire('k', 50), 1);
  assert.equal(await client.getEx('k', { type: 'PERSIST' }), 'w');
  assert.equal(await client.getDel('k'), 'w');
  assert.equal(await client.exists('k'), 0);
  assert.equal(await client.incr('n'), 1);
  assert.equal(await client.incrBy('n', 41), 42);
  assert.equal(await client.decrBy('n', 2), 40);
  assert.equal(await client.append('text', 'abc'), 3);
  assert.equal(await client.getRange('text', 1, 2), 'bc');
  assert.equal(await client.setRange('text', 5, 'x'), 6);
  assert.equal(await client.strLen('text'), 6);
  assert.equal(await client.type('text'), 'string');

  assert.equal(await client.mSet(Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`many:${i}`, `${i}`]))), 'OK');
  assert.deepEqual(await client.mGet(['many:7', 'nothing', 'many:8']), ['7', null, '8']);
  const seen = new Set();
  for await (const keys of client.scanIterator({ MATCH: 'many:*', COUNT: 50 }))
    for (const key of keys) seen.add(key);
  assert.equal(seen.size, 300);
  assert.equal((await client.keys('many:29?')).length, 10);
  assert.ok(await client.randomKey());
  assert.equal(await client.dbSize(), 302);
  assert.ok(await client.memoryUsage('text') > 0);

  const bytes = Buffer.from([0, 255, 13, 10, 36, 42]);
  await client.set('bytes', bytes);
  const raw = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  assert.deepEqual(await raw.get('bytes'), bytes);

  const large = 'x'.repeat(3_000_000);
  await client.set('large', large);
  assert.equal(await client.get('large'), large);

  const piped = await Promise.all(Array.from({ length: 5_000 }, () => client.incr('piped')));
  assert.deepEqual(piped, Array.from({ length: 5_000 }, (_, i) => i + 1));

  await assert.rejects(client.incr('large'), /value is not an integer or out of range/);
  await assert.rejects(client.sendCommand(['nosuch']), /unknown command 'nosuch'/);
  assert.ok(await client.commandCount() > 40);
  assert.match(await client.info('keyspace'), /db1:keys=/);
  assert.equal((await client.configGet('databases')).databases, '16');
  const hello = await client.hello(RESP);
  assert.equal(hello.proto, RESP);
  assert.equal(await client.flushDb(), 'OK');
  assert.equal(await client.dbSize(), 0);
  await client.close();
}

for (const RESP of [2, 3]) await converse(RESP);
console.log('node-redis: all answers as expected, RESP2 and RESP3');
