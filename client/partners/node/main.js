#!/usr/bin/env node
// A partner's system at the command line: `main.js --help`. Prints one message a line, as JSON.

import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Exchange, ExchangeError, newRequestId, readConfig, toJson } from './exchange.js';

const USAGE = `usage: main.js --config FILE COMMAND

  list [--page-size N]           what is released
  get NAME                       one released record
  watch [--token-file FILE]      what is released, then each change, until it is ended; goes on from the token in FILE
        [--until-complete]       only what is released now
  withdrawals                    what was recalled
  acknowledge NAME [--remark TEXT]
  submit KIND --text TEXT        KIND is facility, port, observation-response or correction
         [--record NAME] [--subject CODE] [--request-id UUID]
  suggestion NAME                a proposal and its outcome
  suggestions                    all of them
  ask --subject TEXT --text TEXT
  question NAME                  a question and its answer
  receipts [--record NAME]       what was submitted and sent, with a receipt for each
  receipt NAME FILE              save a receipt, for \`fairlead verify receipt\`
  consistency RECEIPT FILE       save the proof that the log of a saved receipt has only grown since
`;

const KINDS = ['facility', 'port', 'observation-response', 'correction'];

class UsageError extends Error {}

// Whoever reads the output may have enough of it: `... list | head`.
process.stdout.on('error', (error) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

function print(message) {
  process.stdout.write(`${JSON.stringify(toJson(message))}\n`);
}

async function printAll(messages) {
  for await (const message of messages) print(message);
}

// Whole or not at all, also when the machine stops.
function replaceFile(file, text) {
  const next = path.join(path.dirname(file), `.${path.basename(file)}.next`);
  const fd = fs.openSync(next, 'w', 0o600);
  fs.writeSync(fd, text);
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  fs.renameSync(next, file);
}

async function watch(exchange, { 'token-file': file, 'until-complete': once }) {
  const token = file && fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim() : '';
  for await (const response of exchange.watch(token)) {
    print(response); // where a system would store it
    if (!response.complete) continue;
    if (file) replaceFile(file, `${response.resumeToken}\n`);
    if (once) return;
  }
}

function required(value, name) {
  if (value === undefined || value === '') throw new UsageError(`${name} is missing`);
  return value;
}

const commands = {
  list: (exchange, { options }) => printAll(exchange.records(options['page-size'] && Number(options['page-size']))),
  get: async (exchange, { name }) => print(await exchange.record(required(name, 'NAME'))),
  watch: (exchange, { options }) => watch(exchange, options),
  withdrawals: (exchange) => printAll(exchange.withdrawals()),
  acknowledge: async (exchange, { name, options }) => print(await exchange.acknowledge(required(name, 'NAME'), options.remark)),
  submit: async (exchange, { name, options }) => {
    if (!KINDS.includes(name)) throw new UsageError(`KIND must be one of ${KINDS.join(', ')}`);
    const kind = `SUGGESTION_KIND_${name.toUpperCase().replaceAll('-', '_')}`;
    const suggestion = { kind, record: options.record, subject: options.subject, text: required(options.text, '--text') };
    print(await exchange.submit(suggestion, options['request-id'] ?? newRequestId()));
  },
  suggestion: async (exchange, { name }) => print(await exchange.suggestion(required(name, 'NAME'))),
  suggestions: (exchange) => printAll(exchange.suggestions()),
  ask: async (exchange, { options }) => {
    print(await exchange.ask({ subject: required(options.subject, '--subject'), text: required(options.text, '--text') }));
  },
  question: async (exchange, { name }) => print(await exchange.question(required(name, 'NAME'))),
  receipts: (exchange, { options }) => printAll(exchange.receipts(options.record)),
  receipt: async (exchange, { name, file }) => {
    replaceFile(required(file, 'FILE'), await exchange.receipt(required(name, 'NAME')));
  },
  consistency: async (exchange, { name, file }) => {
    const receipt = fs.readFileSync(required(name, 'RECEIPT'), 'utf8');
    replaceFile(required(file, 'FILE'), await exchange.consistency(receipt));
  },
};

async function main() {
  const text = { type: 'string' };
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      config: text, 'page-size': text, 'token-file': text, 'until-complete': { type: 'boolean' }, remark: text, record: text, subject: text,
      text, 'request-id': text, help: { type: 'boolean' },
    },
  });
  if (values.help) return process.stdout.write(USAGE);
  const command = commands[positionals[0]];
  const [, name, file] = positionals;
  const words = ['receipt', 'consistency'].includes(positionals[0]) ? 3 : 2;
  if (!command || positionals.length > words) throw new UsageError('which COMMAND?');
  const exchange = new Exchange(readConfig(required(values.config, '--config')));
  try {
    await command(exchange, { name, file, options: values });
  } finally {
    exchange.close();
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(0));
try {
  await main();
} catch (error) {
  const usage = error instanceof UsageError || error.code?.startsWith?.('ERR_PARSE_ARGS');
  process.stderr.write(error instanceof ExchangeError ? `${error}\n` : `${error.message}\n`);
  process.exitCode = usage ? 2 : 1;
}
