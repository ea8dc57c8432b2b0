// ioredis, unmodified, against the gateway: node ioredis_test.mjs PORT
import assert from 'node:assert/strict';
import Redis from 'ioredis';

const port = Number(process.argv[2]);
const redis = new Redis({ port, host: '127.0.0.1', db: 2, connectionName: 'io' });

assert.equal(await redis.ping(), 'PONG');
assert.equal(await redis.client('GETNAME'), 'io');
assert.equal(await redis.set('k', 'v', 'PX', 100_000), 'OK');
assert.equal(await redis.get('k'), 'v');
const left = await redis.pttl('k');
assert.ok(left > 0 && left <= 100_000);
assert.equal(await redis.set('k', 'w', 'XX', 'KEEPTTL'), 'OK');
assert.ok(await redis.pttl('k') > 0);
assert.equal(await redis.getset('k', 'x'), 'w');
assert.equal(await redis.ttl('k'), -1);
assert.equal(await redis.setnx('k', 'y'), 0);
assert.equal(await redis.setex('e', 1_000, 'v'), 'OK');
assert.equal(await redis.psetex('p', 1_000_000, 'v'), 'OK');
assert.equal(await redis.exists('k', 'e', 'p', 'none'), 3);
assert.equal(await redis.unlink('e', 'p'), 2);

const results = await redis.pipeline()
  .set('a', 1).incr('a').incrby('a', 10).get('a').incr('k').del('a').exec();
assert.deepEqual(results.map(([error, value]) => error?.message ?? value),
  ['OK', 2, 12, '12', 'ERR value is not an integer or out of range', 1]);

const keys = Array.from({ length: 1_000 }, (_, i) => `s:${i}`);
await redis.mset(keys.flatMap((key) => [key, key]));
assert.deepEqual(await redis.mget(keys), keys);
const seen = new Set();
for await (const batch of redis.scanStream({ match: 's:*', count: 100 }))
  for (const key of batch) seen.add(key);
assert.equal(seen.size, keys.length);

const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
await redis.set('bytes', bytes);
assert.deepEqual(await redis.getBuffer('bytes'), bytes);
assert.deepEqual(await redis.config('GET', 'appendonly'), ['appendonly', 'no']);
assert.equal((await redis.time()).length, 2);
assert.match(await redis.info(), /redis_version:7/);

const many = await Promise.all(Array.from({ length: 5_000 }, (_, i) => redis.echo(`${i}`)));
assert.ok(many.every((value, i) => value === `${i}`));

await redis.flushall();
assert.equal(await redis.dbsize(), 0);
await redis.quit();
console.log('ioredis: all answers as expected');
