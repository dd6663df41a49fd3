// Signature checks per second with HubSpot's official client for Node: `node check.mjs PACKAGE SECONDS URL BODY`, where
// PACKAGE is a file beside the node_modules folder. Prints one whole number.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [packageFile, seconds, url, body] = process.argv.slice(2);
const { Signature } = createRequire(packageFile)('@hubspot/api-client');

const timestamp = String(Date.now());
const signed = { clientSecret: 'bench', method: 'POST', url, requestBody: readFileSync(body, 'utf8'), timestamp };
const request = { ...signed, signatureVersion: 'v3', signature: Signature.getSignature('POST', 'v3', signed) };

function rate(duration) {
  const start = performance.now();
  for (let checks = 0; ; ) {
    for (let i = 0; i < 16; i++, checks++) {
      if (!Signature.isValid(request)) throw new Error('a good signature was refused');
    }
    const time = performance.now() - start;
    if (time >= duration) return Math.floor((checks * 1000) / time);
  }
}

rate(300); // V8 compiles.
console.log(rate(Number(seconds) * 1000));
