// Exchanges and requests with answers, as an amqplib user meets them.
'use strict';
const assert = require('node:assert/strict');
const { channelError, client } = require('./amqplib_base');

client('fanout: each subscriber gets a copy', async (w) => {
  const publisher = await w.channel();
  const news = await w.exchange(publisher, 'fanout');
  const inboxes = [];
  for (let i = 0; i < 3; i++) {
    const channel = await w.channel();
    const queue = await w.queue(channel);
    await channel.bindQueue(queue, news, '');
    inboxes.push(await w.consume(channel, queue, { noAck: true }));
  }
  for (const body of ['a', 'b', 'c']) publisher.publish(news, 'ignored', Buffer.from(body));
  for (const inbox of inboxes) {
    await inbox.take(3);
    assert.deepEqual(inbox.bodies(), ['a', 'b', 'c']);
  }
});

client('direct: routes by severity, until unbound', async (w) => {
  const channel = await w.channel();
  const logs = await w.exchange(channel, 'direct');
  const [errors, all] = [await w.queue(channel), await w.queue(channel)];
  await channel.bindQueue(errors, logs, 'error');
  for (const key of ['info', 'warning', 'error']) await channel.bindQueue(all, logs, key);
  for (const key of ['info', 'error', 'debug']) channel.publish(logs, key, Buffer.from(key));
  await channel.unbindQueue(all, logs, 'error');
  channel.publish(logs, 'error', Buffer.from('late'));
  assert.deepEqual(await w.getAll(channel, errors), ['error', 'late']);
  assert.deepEqual(await w.getAll(channel, all), ['info', 'error']);
});

client('topic: stars and hashes', async (w) => {
  const channel = await w.channel();
  const topic = await w.exchange(channel, 'topic');
  const expected = {
    'kern.*': ['kern.critical'],
    '*.critical': ['kern.critical'],
    'lazy.#': ['lazy', 'lazy.brown.fox'],
    '#.fox': ['lazy.brown.fox'],
    '#': ['kern.critical', 'lazy', 'lazy.brown.fox'],
  };
  const queues = {};
  for (const pattern of Object.keys(expected)) {
    queues[pattern] = await w.queue(channel);
    await channel.bindQueue(queues[pattern], topic, pattern);
  }
  for (const key of expected['#']) channel.publish(topic, key, Buffer.from(key));
  for (const [pattern, keys] of Object.entries(expected)) {
    assert.deepEqual(await w.getAll(channel, queues[pattern]), keys, pattern);
  }
});

client('headers: all and any, by type', async (w) => {
  const channel = await w.channel();
  const exchange = await w.exchange(channel, 'headers');
  const [both, either] = [await w.queue(channel), await w.queue(channel)];
  await channel.bindQueue(both, exchange, '', { 'x-match': 'all', format: 'pdf', pages: 3 });
  await channel.bindQueue(either, exchange, '', { 'x-match': 'any', format: 'pdf', pages: 3 });
  const cases = { both: { format: 'pdf', pages: 3 }, one: { pages: 3 }, text: { pages: '3' }, none: {} };
  for (const [body, headers] of Object.entries(cases)) channel.publish(exchange, '', Buffer.from(body), { headers });
  assert.deepEqual(await w.getAll(channel, both), ['both']);
  assert.deepEqual(await w.getAll(channel, either), ['both', 'one']);
});

client('exchange to exchange, and alternate exchange', async (w) => {
  const channel = await w.channel();
  const [lost, target] = [await w.exchange(channel, 'fanout'), await w.exchange(channel, 'fanout')];
  const source = await w.exchange(channel, 'topic', { alternateExchange: lost });
  await channel.bindExchange(target, source, 'eu.#');
  const [queue, rest] = [await w.queue(channel), await w.queue(channel)];
  await channel.bindQueue(queue, target, '');
  await channel.bindQueue(rest, lost, '');
  channel.publish(source, 'eu.de', Buffer.from('in'));
  channel.publish(source, 'us.ny', Buffer.from('out'));
  assert.deepEqual(await w.getAll(channel, queue), ['in']);
  assert.deepEqual(await w.getAll(channel, rest), ['out']);
});

async function rpc(w, replyQueue) {
  const [server, client] = [await w.channel(), await w.channel()];
  const requests = await w.sharedQueue(server);
  await server.prefetch(1);
  await server.consume(requests, (m) => {
    const { replyTo, correlationId } = m.properties;
    server.sendToQueue(replyTo, Buffer.from(String(Number(m.content.toString()) + 1)), { correlationId });
    server.ack(m);
  });
  const replyTo = await replyQueue(client);
  const answers = await w.consume(client, replyTo, { noAck: true });
  for (let i = 0; i < 50; i++) client.sendToQueue(requests, Buffer.from(String(i)), { replyTo, correlationId: `c${i}` });
  await answers.take(50);
  const found = Object.fromEntries(answers.messages.map((m) => [m.properties.correlationId, m.content.toString()]));
  for (let i = 0; i < 50; i++) assert.equal(found[`c${i}`], String(i + 1));
}

client('rpc: direct reply-to', (w) => rpc(w, async () => 'amq.rabbitmq.reply-to'));

client('rpc: exclusive reply queue', (w) => rpc(w, (channel) => w.queue(channel)));

client('rpc: direct reply-to without a consumer is refused', async (w) => {
  const channel = await w.channel();
  await channelError(channel, 406, 'fast reply consumer does not exist', () =>
    channel.sendToQueue('anything', Buffer.from('x'), { replyTo: 'amq.rabbitmq.reply-to' }));
});
