// The take-in as one would write it with sqs-consumer and better-sqlite3: unpack, parse, keep each event once, delete. It
// verifies no signature, keeps no delivery, and marks nothing as due.
import { gunzipSync } from 'node:zlib';
import { SQSClient } from '@aws-sdk/client-sqs';
import Database from 'better-sqlite3';
import { Consumer } from 'sqs-consumer';

const books = new Database(process.env.BOOKS);
books.pragma('journal_mode = WAL');
books.pragma('synchronous = FULL');
books.exec(`CREATE TABLE IF NOT EXISTS events (
  portal_id INTEGER, dedupe_key TEXT, subscription_type TEXT, object_id INTEGER, occurred_at INTEGER,
  PRIMARY KEY (portal_id, dedupe_key)) WITHOUT ROWID`);
const insert = books.prepare('INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)');

const store = books.transaction((messages) => {
  for (const message of messages) {
    const { body_encoding: encoding, body } = JSON.parse(message.Body);
    const bytes = Buffer.from(body, 'base64');
    for (const event of JSON.parse(encoding === 'gzip+base64' ? gunzipSync(bytes) : bytes)) {
      const key = `${event.subscriptionType} ${event.objectId} ${event.eventId} ${event.occurredAt}`;
      insert.run(event.portalId, key, event.subscriptionType, event.objectId, event.occurredAt);
    }
  }
});

const consumer = Consumer.create({
  queueUrl: process.env.QUEUE_URL,
  sqs: new SQSClient(),
  batchSize: 10,
  waitTimeSeconds: 0,
  pollingWaitTimeMs: 0,
  handleMessageBatch: async (messages) => {
    store(messages);
    return messages;
  },
});
consumer.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
consumer.start();
