// What an amqplib user does with messages: work queues, confirms, returns, acknowledgements, contents.
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { client, event, numbered, url, within } = require('./amqplib_base');

const send = (channel, queue, bodies, options) =>
  bodies.forEach((body) => channel.sendToQueue(queue, Buffer.from(body), options));

client('work queue: a busy worker gets no second task', async (w) => {
  const boss = await w.confirmChannel();
  const [slow, quick] = [await w.channel(), await w.channel()];
  const tasks = await w.sharedQueue(boss);
  await slow.prefetch(1);
  await quick.prefetch(1);
  const held = await w.consume(slow, tasks);
  send(boss, tasks, ['m0']);
  await held.take(1);
  const done = [];
  const all = new Promise((resolve) => {
    quick.consume(tasks, (m) => {
      done.push(m.content.toString());
      quick.ack(m);
      if (done.length === 19) resolve();
    });
  });
  send(boss, tasks, numbered(20).slice(1));
  await within(all, '19 tasks done by the idle worker');
  assert.deepEqual(done, numbered(20).slice(1));
  assert.deepEqual(held.bodies(), ['m0']);
});

client('work queue: tasks of a worker whose connection ends go to another', async (w) => {
  const boss = await w.channel();
  const tasks = await w.sharedQueue(boss);
  send(boss, tasks, numbered(6));
  const worker = await w.connect();
  const channel = await worker.createChannel();
  await channel.prefetch(4);
  const held = await w.consume(channel, tasks);
  await held.take(4);
  worker.connection.stream.destroy(new Error('gone')); // no goodbye
  const heir = await w.consume(await w.channel(), tasks);
  await heir.take(6);
  assert.deepEqual(heir.bodies().sort(), numbered(6));
  const again = heir.messages.filter((m) => m.fields.redelivered).map((m) => m.content.toString());
  assert.deepEqual(again.sort(), numbered(4));
});

client('confirms: each publish has its callback, in a batch of 1000', async (w) => {
  const channel = await w.confirmChannel();
  const queue = await w.queue(channel);
  const results = [];
  for (const body of numbered(1000)) channel.sendToQueue(queue, Buffer.from(body), {}, (err) => results.push(err));
  await within(channel.waitForConfirms(), '1000 confirms');
  assert.deepEqual(results, new Array(1000).fill(null));
  assert.equal((await channel.checkQueue(queue)).messageCount, 1000);
});

client('confirms: one at a time, each message is there for others', async (w) => {
  const [channel, reader] = [await w.confirmChannel(), await w.channel()];
  const queue = await w.sharedQueue(channel);
  for (const body of numbered(30)) {
    await new Promise((resolve, reject) =>
      channel.sendToQueue(queue, Buffer.from(body), {}, (err) => (err ? reject(err) : resolve())));
    assert.equal((await reader.get(queue, { noAck: true })).content.toString(), body);
  }
});

client('mandatory: an unroutable message comes back before its confirm', async (w) => {
  const channel = await w.confirmChannel();
  const events = [];
  channel.on('return', (m) => events.push([m.fields.replyCode, m.fields.replyText, m.content.toString()]));
  channel.publish('amq.direct', w.name('nowhere'), Buffer.from('lost'), { mandatory: true }, () => events.push('confirm'));
  await within(channel.waitForConfirms(), 'the confirm');
  assert.deepEqual(events, [[312, 'NO_ROUTE', 'lost'], 'confirm']);
});

client('get: counts down to an empty queue', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel);
  send(channel, queue, numbered(3));
  for (const [i, body] of numbered(3).entries()) {
    const message = await channel.get(queue, { noAck: true });
    assert.deepEqual([message.content.toString(), message.fields.messageCount], [body, 2 - i]);
  }
  assert.equal(await channel.get(queue), false);
});

client('nackAll: messages come back in their order', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel);
  send(channel, queue, numbered(20));
  const inbox = await w.consume(channel, queue);
  await inbox.take(20);
  await channel.cancel(inbox.tag);
  channel.ack(inbox.messages[3]);
  channel.reject(inbox.messages[9], false);
  channel.nackAll();
  const left = numbered(20).filter((_, i) => i !== 3 && i !== 9);
  assert.deepEqual(await w.getAll(channel, queue), left);
});

client('recover: unacknowledged messages come again', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel);
  send(channel, queue, numbered(3));
  const inbox = await w.consume(channel, queue);
  await inbox.take(3);
  await channel.recover();
  await inbox.take(6);
  assert.deepEqual(inbox.bodies(), [...numbered(3), ...numbered(3)]);
  assert.deepEqual(inbox.messages.map((m) => m.fields.redelivered), [false, false, false, true, true, true]);
});

client('prefetch: bounds what is unacknowledged', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel);
  await channel.prefetch(5);
  send(channel, queue, numbered(12));
  const inbox = await w.consume(channel, queue);
  await inbox.take(5);
  assert.equal((await channel.checkQueue(queue)).messageCount, 7);
  assert.equal(inbox.messages.length, 5);
  channel.ackAll();
  await inbox.take(10);
  assert.equal((await channel.checkQueue(queue)).messageCount, 2);
  assert.deepEqual(inbox.bodies(), numbered(10));
});

client('cancel: the consumer is told when its queue is deleted', async (w) => {
  const [channel, other] = [await w.channel(), await w.channel()];
  const queue = await w.sharedQueue(other);
  let inbox;
  const told = new Promise((resolve) => {
    inbox = channel.consume(queue, (m) => m === null && resolve());
  });
  await inbox;
  await other.deleteQueue(queue);
  await within(told, 'the cancellation');
  await w.queue(channel);
});

client('purge and delete tell how many messages went', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel, w.name());
  send(channel, queue, numbered(7));
  assert.equal((await channel.purgeQueue(queue)).messageCount, 7);
  send(channel, queue, numbered(3));
  assert.equal((await channel.deleteQueue(queue)).messageCount, 3);
});

client('content: all properties and headers arrive as sent', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel);
  const options = {
    contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2, priority: 5, correlationId: 'c-1',
    replyTo: 'answers', expiration: '600000', messageId: 'id-ü', timestamp: 1700000000, type: 'order', userId: 'guest',
    appId: 'shop',
  };
  const headers = {
    text: 'Grüße, 世界 🐇', yes: true, no: false, byte: -5, short: 30000, int: -2000000000, long: 1e15, float: 1.5, nothing: null,
    list: [1, 'two', [3, null], { four: 4 }], table: { inner: { inmost: ['x', false] }, empty: {} }, bytes: Buffer.from([0, 255]),
    time: { '!': 'timestamp', value: 1700000000 }, decimal: { '!': 'decimal', value: { places: 3, digits: 12345 } },
  };
  channel.sendToQueue(queue, Buffer.from('{}'), { ...options, headers });
  const { properties } = await channel.get(queue, { noAck: true });
  for (const [key, value] of Object.entries(options)) assert.deepEqual(properties[key], value, key);
  assert.deepEqual(properties.headers, headers);
  assert.equal(properties.clusterId, undefined);
});

client('content: bodies of any bytes arrive as sent', async (w) => {
  const channel = await w.channel();
  const queue = await w.queue(channel);
  const bodies = [Buffer.alloc(0), Buffer.from([0]), Buffer.from('世界 🐇'), Buffer.alloc(131064, 1), Buffer.alloc(131065, 2)];
  for (const body of bodies) channel.sendToQueue(queue, body);
  for (const body of bodies) {
    const message = await channel.get(queue, { noAck: true });
    assert.ok(message.content.equals(body), `${body.length} bytes`);
  }
});

client('content: ten mebibytes arrive whole, frames of 4096 too', async (w) => {
  const sender = await w.channel();
  const queue = await w.sharedQueue(sender);
  const body = crypto.randomBytes(10 << 20);
  const small = await w.channel(url(undefined, '&frameMax=4096'));
  const inbox = await w.consume(small, queue, { noAck: true });
  sender.sendToQueue(queue, body);
  small.sendToQueue(queue, body.subarray(0, 1 << 20));
  await inbox.take(2);
  const [large, less] = inbox.messages.map((m) => m.content).sort((a, b) => b.length - a.length);
  assert.ok(large.equals(body));
  assert.ok(less.equals(body.subarray(0, 1 << 20)));
});

client('volume: ten thousand messages keep their order, publisher waits for drain', async (w) => {
  const [publisher, consumer] = [await w.confirmChannel(), await w.channel()];
  const queue = await w.sharedQueue(publisher);
  await consumer.prefetch(100);
  const seen = [];
  const all = new Promise((resolve) => {
    consumer.consume(queue, (m) => {
      seen.push(m.content.toString());
      consumer.ack(m);
      if (seen.length === 10000) resolve();
    });
  });
  for (const body of numbered(10000)) {
    if (!publisher.sendToQueue(queue, Buffer.from(body))) await event(publisher, 'drain');
  }
  await within(publisher.waitForConfirms(), '10000 confirms');
  await within(all, '10000 deliveries');
  assert.deepEqual(seen, numbered(10000));
});
