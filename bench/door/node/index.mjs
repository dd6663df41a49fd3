// The same door in Node, as one would write it with HubSpot's official client and the AWS SDK: clients and secret at init,
// signature checked, one SQS message, then 200. It is not careful where ours is: no second secret, no doubled headers.
import { SQSClient, SendMessageCommand } from '@aws-sdk/client-sqs';
import hubspot from '@hubspot/api-client';

const queue = new SQSClient();
const clientSecret = process.env.HUBSPOT_CLIENT_SECRETS ?? (await storedSecret(process.env.HUBSPOT_CLIENT_SECRETS_ARN));

async function storedSecret(arn) {
  const { SecretsManagerClient, GetSecretValueCommand } = await import('@aws-sdk/client-secrets-manager');
  const { SecretString } = await new SecretsManagerClient().send(new GetSecretValueCommand({ SecretId: arn }));
  return SecretString;
}

export async function handler(event) {
  const headers = Object.fromEntries(Object.entries(event.headers).map(([name, value]) => [name.toLowerCase(), value]));
  const url = `https://${event.requestContext.domainName}${event.requestContext.path}`;
  const correlationId = headers['x-hubspot-correlation-id'];
  const delivery = {
    signatureVersion: 'v3',
    signature: headers['x-hubspot-signature-v3'],
    timestamp: headers['x-hubspot-request-timestamp'],
    method: event.httpMethod,
    url,
    requestBody: event.isBase64Encoded ? Buffer.from(event.body, 'base64').toString() : event.body,
  };
  if (!isValid(delivery)) {
    console.warn(JSON.stringify({ status: 401, reason: 'signature', correlationId }));
    return reply(401, 'Not accepted.');
  }
  const message = JSON.stringify({ receivedAt: Date.now(), correlationId, ...delivery });
  const { MessageId } = await queue.send(
    new SendMessageCommand({ QueueUrl: process.env.QUEUE_URL, MessageBody: message }),
  );
  console.info(JSON.stringify({ status: 200, reason: 'queued', messageId: MessageId, correlationId }));
  return reply(200, 'Accepted.');
}

function isValid(delivery) {
  try {
    return hubspot.Signature.isValid({ ...delivery, clientSecret });
  } catch {
    return false; // The client throws when the timestamp is old.
  }
}

function reply(statusCode, body) {
  return { statusCode, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body };
}
